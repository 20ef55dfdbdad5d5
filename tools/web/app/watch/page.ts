/** Watch: how the trainings of a run get on. */
import type { LogNews, SplitIndex, Training } from '../../wire.ts';
import { el, labelled } from '../dom.ts';
import type { App, Mount } from '../page.ts';
import { Chart, type ChartData, type ChartSeries } from './chart.ts';
import { kernelTable } from './kernels.ts';
import { Samples } from './samples.ts';
import { RunState, smoothed, type TrainingState, throughput } from './state.ts';

const TITLES: Readonly<Record<Training, string>> = { classifier: 'Classifier', cim: 'Network' };
/** A training that says nothing for so long is not at work, milliseconds. */
const SILENCE = 60_000;
/** Milliseconds between two drawings. */
const PACE = 250;
const SCORES = { mAP25: 'IoU .25', mAP50: 'IoU .50', mAP70: 'IoU .70', mAP75: 'IoU .75', AP: '.50:.95' } as const;
const MIB = 2 ** 20;
const SMOOTHING = 0.8;

export const mount: Mount = async (container, app) => {
  const { source, index } = app;
  if (source.kind !== 'run') throw new Error(`${source.folder} is a data set: only runs have trainings to watch.`);
  const page = new WatchPage(app);
  container.replaceChildren(page.element);
  const following = index.live ? follow(page, app) : await readOnce(page, app);
  return {
    navigate: ([kind]) => page.choose(kind),
    unmount() {
      following();
      page.destroy();
    },
  };
};

/** Draws what comes, and what comes again once the server is back. Returns what ends that. */
function follow(page: WatchPage, { source, url }: App): () => void {
  const events = new EventSource(url('api', source.key, 'events'));
  events.addEventListener('begin', () => page.begin());
  events.addEventListener('current', () => page.connected(true));
  events.addEventListener('message', ({ data }: MessageEvent<string>) => page.apply(JSON.parse(data) as LogNews));
  events.addEventListener('error', () => page.connected(false));
  return () => events.close();
}

async function readOnce(page: WatchPage, { source, json }: App): Promise<() => void> {
  for (const news of await json<LogNews[]>('api', source.key, 'log.json')) page.apply(news);
  return () => {};
}

class WatchPage {
  readonly element: HTMLElement;
  readonly #app: App;
  readonly #tiles = el('dl', { class: 'tiles' });
  readonly #status = el('span', { class: 'status', role: 'status' });
  readonly #bar = el('progress', { 'aria-label': 'Steps done' });
  readonly #tabs: Readonly<Record<Training, HTMLButtonElement>>;
  readonly #charts: Readonly<Record<'loss' | 'scores' | 'lr' | 'pace' | 'memory', Chart>>;
  readonly #kernels = el('div', { class: 'scroll' });
  readonly #kernelStep = el('span', { class: 'muted' });
  readonly #samples: Samples;
  readonly #clock: ReturnType<typeof setInterval>;
  #state = new RunState();
  #kind: Training | undefined;
  #weight = SMOOTHING;
  #classes: readonly string[] = [];
  #connected = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App) {
    this.#app = app;
    this.#tabs = { classifier: this.#tab('classifier'), cim: this.#tab('cim') };
    const number = (value: number): string => String(Number(value.toPrecision(3)));
    const logarithmic = el('input', { type: 'checkbox' });
    const smoothing = el('input', { type: 'range', min: 0, max: 0.98, step: 0.02, value: SMOOTHING });
    this.#charts = {
      loss: new Chart({
        title: 'Losses',
        format: number,
        empty: 'No step is done yet.',
        controls: [labelled('Smoothing', smoothing), labelled('Logarithmic', logarithmic)],
      }),
      scores: new Chart({
        title: 'Mask AP, %',
        format: (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1)),
        empty: 'Known at the end of the run. A training with --preview COUNT tries every checkpoint.',
      }),
      lr: new Chart({ title: 'Learning rate', format: scientific, empty: 'No step is done yet.' }),
      pace: new Chart({ title: 'Images a second', format: number, empty: 'This log does not tell.' }),
      memory: new Chart({ title: 'GPU memory, MiB', format: number, empty: 'This log does not tell.' }),
    };
    logarithmic.addEventListener('change', () => {
      this.#charts.loss.logarithmic = logarithmic.checked;
    });
    smoothing.addEventListener('input', () => {
      this.#weight = smoothing.valueAsNumber;
      this.#draw();
    });
    this.#samples = new Samples(app);
    const { loss, scores, lr, pace, memory } = this.#charts;
    this.element = el(
      'div',
      { class: 'watch' },
      el(
        'div',
        { class: 'bar' },
        el('h1', { class: 'visually-hidden' }, `${app.source.folder}: training`),
        el('div', { class: 'segments', role: 'group', 'aria-label': 'Training' }, Object.values(this.#tabs)),
        this.#status,
        this.#bar,
        app.source.files.includes('report.html')
          ? el('a', { class: 'button', href: app.url('files', app.source.key, 'report.html') }, 'Report')
          : null,
      ),
      this.#tiles,
      el('div', { class: 'charts' }, loss.element, scores.element, lr.element, pace.element, memory.element),
      el(
        'section',
        { class: 'card wide' },
        el('div', { class: 'heading' }, el('h2', {}, 'Kernels of a step'), this.#kernelStep),
        this.#kernels,
      ),
      this.#samples.element,
    );
    this.choose(app.path[0]);
    this.#clock = setInterval(() => this.#drawStatus(), 5000);
    void this.#readClasses();
  }

  /** Shows a training; by default the network's once it has begun. */
  choose(kind: string | undefined): void {
    this.#kind = kind === 'classifier' || kind === 'cim' ? kind : undefined;
    this.#draw();
  }

  /** Everything comes anew. */
  begin(): void {
    this.#state = new RunState();
  }

  apply(news: LogNews): void {
    this.#state.apply(news);
    this.#timer ??= setTimeout(() => this.#draw(), PACE);
  }

  connected(is: boolean): void {
    this.#connected = is;
    this.#drawStatus();
  }

  destroy(): void {
    clearInterval(this.#clock);
    clearTimeout(this.#timer);
    for (const chart of Object.values(this.#charts)) chart.destroy();
  }

  #tab(kind: Training): HTMLButtonElement {
    const button = el('button', { type: 'button', 'data-training': kind }, TITLES[kind]);
    button.addEventListener('click', () => {
      this.#app.setPath([kind]);
      this.choose(kind);
    });
    return button;
  }

  /** For the names on sample pictures. */
  async #readClasses(): Promise<void> {
    const { source, json } = this.#app;
    if (!source.splits.includes('val')) return;
    const index = await json<SplitIndex>('api', source.key, 'val', 'images.json').catch(() => null);
    this.#classes = index?.classes ?? [];
    this.#draw();
  }

  get #shown(): Training {
    return this.#kind ?? (this.#state.trainings.cim.curve.length > 0 ? 'cim' : 'classifier');
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const kind = this.#shown;
    const state = this.#state.trainings[kind];
    for (const [name, tab] of Object.entries(this.#tabs)) tab.setAttribute('aria-pressed', String(name === kind));
    const { curve, costs } = state;
    const steps = curve.map(({ step }) => step + 1);
    const names = Object.keys(curve.at(-1)?.losses ?? {});
    // A training with one loss has it twice.
    const terms = names.length === 2 ? ['total'] : names;
    const end = steps.at(-1) ?? 0;
    this.#charts.loss.show({
      steps,
      end,
      series: terms.map((name, i) => ({
        name,
        colour: `--c${(i % 8) + 1}`,
        values: smoothed(
          curve.map(({ losses }) => losses[name] ?? null),
          this.#weight,
        ),
      })),
    });
    this.#charts.lr.show({
      steps,
      end,
      series: [{ name: 'learning rate', colour: '--c4', values: curve.map(({ lr }) => lr) }],
    });
    this.#charts.scores.element.hidden = kind !== 'cim';
    if (kind === 'cim') this.#charts.scores.show(this.#scores(state));
    const costSteps = costs.map(({ step }) => step + 1);
    this.#charts.pace.show({
      steps: costSteps,
      end,
      series: costs.length === 0 ? [] : [{ name: 'images a second', colour: '--c2', values: throughput(costs) }],
    });
    const memory = (name: 'live' | 'peak' | 'reserved', colour: string, title: string): ChartSeries => ({
      name: title,
      colour,
      values: costs.map((cost) => cost.memory[name] / MIB),
    });
    this.#charts.memory.show({
      steps: costSteps,
      end,
      series:
        costs.length === 0
          ? []
          : [
              memory('peak', '--c5', 'most'),
              memory('live', '--c1', 'between steps'),
              memory('reserved', '--c7', 'reserved'),
            ],
    });
    this.#drawKernels(state);
    this.#samples.element.hidden = kind !== 'cim';
    if (kind === 'cim') this.#samples.show(state.previews, this.#classes);
    this.#drawTiles(kind, state);
    this.#drawStatus();
  }

  /** Of the previews, and of the whole split at the end. */
  #scores({ previews, curve }: TrainingState): ChartData {
    const points = previews.flatMap(({ step, preview }) =>
      preview.scores ? [{ step: step + 1, scores: preview.scores }] : [],
    );
    const final = this.#state.summary?.strategies[0];
    const last = curve.at(-1);
    if (final && last && points.at(-1)?.step !== last.step + 1) points.push({ step: last.step + 1, scores: final });
    const names = Object.keys(SCORES) as (keyof typeof SCORES)[];
    return {
      steps: points.map(({ step }) => step),
      end: (last?.step ?? 0) + 1,
      series:
        points.length === 0
          ? []
          : names.map((name, i) => ({
              name: SCORES[name],
              colour: `--c${i + 1}`,
              values: points.map(({ scores }) => scores[name]),
              dots: true,
            })),
    };
  }

  #drawKernels({ profiles }: TrainingState): void {
    const last = profiles.at(-1);
    this.#kernelStep.textContent = last
      ? `step ${last.step + 1}: ${last.kernels.reduce((sum, { ms }) => sum + ms, 0).toFixed(0)} ms on the GPU`
      : '';
    this.#kernels.replaceChildren(
      last ? kernelTable(last) : el('p', { class: 'muted' }, 'A step is timed now and then, where the adapter can.'),
    );
  }

  #drawTiles(kind: Training, { curve, costs, previews }: TrainingState): void {
    const total = this.#state.steps(kind);
    const done = (curve.at(-1)?.step ?? -1) + 1;
    const pace = throughput(costs).at(-1) ?? null;
    const perStep = costs.at(-1)?.images ?? 0;
    const final = done === total ? this.#state.summary?.strategies[0].mAP50 : undefined;
    const score = final ?? previews.findLast(({ preview }) => preview.scores)?.preview.scores?.mAP50;
    const accuracy = kind === 'cim' ? score : this.#state.summary?.classifier?.mAP;
    const tile = (title: string, value: string | undefined, unit = ''): HTMLElement =>
      el(
        'div',
        {},
        el('dt', {}, title),
        el('dd', {}, value ?? '–', value === undefined ? null : el('small', {}, unit)),
      );
    const left = pace && perStep > 0 && done < total ? ((total - done) * perStep) / pace : undefined;
    const peak = costs.at(-1)?.memory.peak;
    this.#tiles.replaceChildren(
      tile('Step', String(done), total > 0 ? ` of ${total}` : ''),
      tile('Loss', curve.at(-1)?.losses.total.toPrecision(4)),
      tile('Images a second', pace?.toPrecision(3)),
      tile('Time left', left === undefined ? undefined : duration(left)),
      tile('GPU memory', peak === undefined ? undefined : (peak / MIB).toFixed(0), ' MiB'),
      tile(kind === 'cim' ? 'Mask AP at IoU .50' : 'Mean AP of labels', accuracy?.toFixed(1), ' %'),
    );
    this.#bar.max = Math.max(1, total);
    this.#bar.value = done;
  }

  #drawStatus(): void {
    const kind = this.#shown;
    const { curve, costs } = this.#state.trainings[kind];
    const total = this.#state.steps(kind);
    const done = (curve.at(-1)?.step ?? -1) + 1;
    const silent = Date.now() - (costs.at(-1)?.time ?? 0) > SILENCE;
    const [state, text] = !this.#connected
      ? ['lost', 'The server does not answer. Trying again …']
      : done === 0
        ? ['waiting', 'Not begun']
        : total > 0 && done >= total
          ? ['done', 'Done']
          : silent || !this.#app.index.live
            ? ['stopped', 'Stopped']
            : ['running', 'Training'];
    if (this.#status.textContent !== text) this.#status.textContent = text;
    this.#status.dataset.state = state;
  }
}

function scientific(value: number): string {
  if (value === 0) return '0';
  const [digits, power] = value.toExponential(1).split('e');
  return `${digits.replace(/\.0$/, '')}e${Number(power)}`;
}

function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
