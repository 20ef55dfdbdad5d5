/** What is going on, stage by stage, and how long it took. */
import { el } from '../app/dom.ts';
import { STAGES, type Stage, type StageReport } from './messages.ts';

const NAMES: Record<Stage, string> = {
  adapter: 'Open the GPU',
  network: 'Load the network',
  kernels: 'Compile kernels',
  decode: 'Decode the image',
  proposals: 'Propose masks',
  responses: 'Class responses and peaks',
  instances: 'Score the masks',
  evidence: 'Evidence of the peaks',
};
/** Those of every image. */
export const OF_IMAGES: readonly Stage[] = ['decode', 'proposals', 'responses', 'instances', 'evidence'];
const OF_CLASSIFIER: readonly Stage[] = ['responses', 'evidence'];

type State = 'waiting' | 'running' | 'done' | 'failed';

interface Row {
  readonly element: HTMLElement;
  readonly time: HTMLElement;
  readonly bar: HTMLElement;
  milliseconds: number;
  begun: number;
  state: State;
}

/** Milliseconds between two looks at the clock while a stage runs. */
const TICK = 200;

export class StageList {
  readonly element: HTMLElement;
  readonly #rows: ReadonlyMap<Stage, Row>;
  readonly #total = el('span', { class: 'time' });
  readonly #timer = setInterval(() => this.#tick(), TICK);

  constructor() {
    const rows = STAGES.map((stage) => {
      const bar = el('span', { class: 'share', 'aria-hidden': 'true' });
      const time = el('span', { class: 'time' });
      const element = el(
        'li',
        {},
        el('span', { class: 'dot', 'aria-hidden': 'true' }),
        el('span', { class: 'name' }, NAMES[stage]),
        time,
        bar,
      );
      return [stage, { element, time, bar, milliseconds: 0, begun: 0, state: 'waiting' } as Row] as const;
    });
    this.#rows = new Map(rows);
    this.element = el(
      'ol',
      { class: 'stages' },
      rows.map(([, { element }]) => element),
      el('li', { class: 'total' }, el('span', { class: 'name' }, 'This image'), this.#total),
    );
    this.reset();
  }

  /** @param stages by default all; those of an image before another one: what is done once stays. */
  reset(stages: readonly Stage[] = STAGES): void {
    for (const stage of stages) this.#set(stage, 'waiting', 0);
    this.#sum();
  }

  /** Without a classifier its stages are not run. */
  hideClassifier(): void {
    for (const stage of OF_CLASSIFIER) this.#rows.get(stage)!.element.hidden = true;
  }

  show({ stage, share, milliseconds }: StageReport): void {
    const row = this.#rows.get(stage)!;
    row.begun = performance.now() - milliseconds;
    this.#set(stage, share === 1 ? 'done' : 'running', milliseconds);
    row.bar.style.setProperty('--share', String(share ?? 0));
    row.element.classList.toggle('unknown', share === null);
    this.#sum();
  }

  /** Whatever runs has failed. */
  fail(): void {
    for (const [stage, { state, milliseconds }] of this.#rows)
      if (state === 'running') this.#set(stage, 'failed', milliseconds);
  }

  destroy(): void {
    clearInterval(this.#timer);
  }

  #set(stage: Stage, state: State, milliseconds: number): void {
    const row = this.#rows.get(stage)!;
    row.state = state;
    row.milliseconds = milliseconds;
    row.element.dataset.state = state;
    row.time.textContent = state === 'waiting' ? '' : duration(milliseconds);
    if (state === 'running') row.element.setAttribute('aria-current', 'step');
    else row.element.removeAttribute('aria-current');
  }

  #tick(): void {
    for (const row of this.#rows.values()) {
      if (row.state === 'running') row.time.textContent = duration(performance.now() - row.begun);
    }
  }

  #sum(): void {
    const rows = OF_IMAGES.map((stage) => this.#rows.get(stage)!);
    const total = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    this.#total.textContent = total > 0 ? duration(total) : '';
  }
}

const duration = (milliseconds: number): string =>
  milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
