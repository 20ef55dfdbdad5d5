/** The page Try: the network of a run finds instances in any image, in the browser. */
import { el } from '../app/dom.ts';
import { cssColour } from '../app/draw/scene.ts';
import type { App, Mount, MountedPage } from '../app/page.ts';
import type { ImageInfo, MaskedObject, SplitIndex } from '../wire.ts';
import {
  type Choice,
  type Findings,
  isKnown,
  percent,
  sceneOf,
  shownClass,
  shownInstances,
  VIEWS,
  type View,
  withFinding,
} from './findings.ts';
import { InstanceList } from './instance-list.ts';
import type { Failure, NetworkFiles, NetworkReport, Report } from './messages.ts';
import { Picture } from './picture.ts';
import { openSession, type Session } from './session.ts';
import { OF_IMAGES, StageList } from './stages.ts';

/** Lowest score of what is shown at first. */
const MIN_SCORE = 0.3;
/** Proposals that are shown at first: more would hide the picture. */
const PROPOSALS = 20;
/** Images of the run to choose from. */
const EXAMPLES = 10;
const VIEW_NAMES = Object.keys(VIEWS) as View[];
const ACCEPTED = 'image/png,image/jpeg,image/webp';

export const mount: Mount = async (container, app) => {
  const { key, files } = app.source;
  if (!files.includes('cim.safetensors') || !files.includes('recipe.json'))
    throw new Error(`${app.source.folder} holds no trained network. Try needs the folder of a finished run.`);
  const address = (name: string): string => new URL(app.url('files', key, name), location.href).href;
  const network: NetworkFiles = {
    recipe: address('recipe.json'),
    cim: address('cim.safetensors'),
    classifier: files.includes('classifier.safetensors') ? address('classifier.safetensors') : null,
  };
  const page = new TryPage(app, network, await findExamples(app));
  container.replaceChildren(page.element);
  page.navigate(app.path);
  return page;
};

/** Images of the run's data, spread over the split. */
interface Examples {
  readonly split: string;
  readonly images: readonly ImageInfo[];
}

async function findExamples({ source, json }: App): Promise<Examples> {
  const split = source.splits.includes('val') ? 'val' : source.splits[0];
  if (split === undefined) return { split: '', images: [] };
  const none: Pick<SplitIndex, 'images'> = { images: [] };
  const { images } = await json<SplitIndex>('api', source.key, split, 'images.json').catch(() => none);
  const count = Math.min(EXAMPLES, images.length);
  return { split, images: Array.from({ length: count }, (_, i) => images[Math.floor((i * images.length) / count)]) };
}

class TryPage implements MountedPage {
  readonly element: HTMLElement;
  readonly #app: App;
  readonly #files: NetworkFiles;
  readonly #examples: Examples;
  readonly #stages = new StageList();
  readonly #picture = new Picture({
    onHover: (object) => this.#hover(object),
    onSelect: (object) => object && this.#list.select(object),
  });
  readonly #list = new InstanceList({
    onHover: (object) => this.#hover(object),
    onSelect: (object) => {
      this.#selected = object;
      this.#draw();
    },
  });
  readonly #input = el('input', { type: 'file', accept: ACCEPTED, class: 'visually-hidden', id: 'try-file' });
  readonly #alert = el('div', { class: 'failure', role: 'alert', hidden: true });
  readonly #empty: HTMLElement;
  readonly #stage: HTMLElement;
  readonly #views: HTMLElement;
  readonly #settings = el('div', { class: 'settings' });
  readonly #summary = el('p', { class: 'muted' });
  readonly #facts = el('dl', { class: 'facts' });
  readonly #thumbs: HTMLElement;
  readonly #stop = new AbortController();
  #session: Session;
  #network: NetworkReport | undefined;
  #findings: Findings = {};
  #choice: Choice = { view: 'instances', minScore: MIN_SCORE, proposals: PROPOSALS, classIndex: null };
  #id = 0;
  #image: Blob | undefined;
  #name = '';
  #address = '';
  #hovered: MaskedObject | null = null;
  #selected: MaskedObject | null = null;

  constructor(app: App, files: NetworkFiles, examples: Examples) {
    this.#app = app;
    this.#files = files;
    this.#examples = examples;
    this.#empty = this.#invitation();
    this.#stage = el('div', { class: 'try-stage empty' }, this.#empty, this.#picture.element);
    this.#views = this.#viewButtons();
    this.#thumbs = this.#sources();
    this.element = el(
      'div',
      { class: 'try' },
      el('h1', { class: 'visually-hidden' }, `Try the network of ${app.source.folder}`),
      el(
        'section',
        { class: 'try-picture', 'aria-label': 'Image' },
        el('div', { class: 'bar' }, this.#views, this.#settings),
        this.#alert,
        this.#stage,
        this.#thumbs,
      ),
      el(
        'aside',
        { class: 'try-side' },
        el(
          'section',
          { class: 'card', 'aria-labelledby': 'try-found' },
          el('h2', { id: 'try-found' }, 'Instances'),
          this.#summary,
          this.#list.element,
        ),
        el(
          'section',
          { class: 'card', 'aria-labelledby': 'try-stages' },
          el('h2', { id: 'try-stages' }, 'In this browser'),
          this.#stages.element,
          this.#facts,
        ),
        el('p', { class: 'keys muted' }, keyHelp()),
      ),
    );
    this.#listen();
    this.#session = this.#open();
    this.#update();
  }

  /** An example of the run by its split and number. */
  navigate([, id]: readonly string[]): void {
    const image = this.#examples.images.find((one) => String(one.id) === id);
    if (image) void this.#findExample(image);
  }

  unmount(): void {
    this.#stop.abort();
    this.#session.close();
    this.#stages.destroy();
    this.#picture.destroy();
    URL.revokeObjectURL(this.#address);
  }

  #open(): Session {
    const { images } = this.#examples;
    return openSession(this.#files, images[0] ?? null, (report) => this.#onReport(report));
  }

  #listen(): void {
    const { signal } = this.#stop;
    const page = this.#stage;
    const hold = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      page.classList.toggle('over', event.type !== 'dragleave' || this.element.contains(event.relatedTarget as Node));
    };
    for (const type of ['dragenter', 'dragover', 'dragleave'] as const)
      this.element.addEventListener(type, hold, { signal });
    this.element.addEventListener(
      'drop',
      (event) => {
        event.preventDefault();
        page.classList.remove('over');
        this.#findFile(event.dataTransfer?.files[0]);
      },
      { signal },
    );
    this.#input.addEventListener('change', () => {
      this.#findFile(this.#input.files?.[0]);
      this.#input.value = ''; // the same file may be chosen again
    });
    document.addEventListener('paste', (event) => this.#findFile(event.clipboardData?.files[0]), { signal });
    document.addEventListener('keydown', (event) => this.#onKey(event), { signal });
  }

  #onKey(event: KeyboardEvent): void {
    const { target } = event;
    const typing =
      target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type !== 'range');
    if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
    const view = VIEW_NAMES[Number(event.key) - 1];
    if (view && isKnown(this.#findings, view)) this.#choose({ view });
    else if (event.key === 'o') this.#input.click();
  }

  #findFile(file: File | null | undefined): void {
    if (!file) return;
    this.#app.setPath([]);
    this.#markExample();
    this.#find(file, file.name);
  }

  async #findExample({ id, file, name }: ImageInfo): Promise<void> {
    const { split } = this.#examples;
    this.#app.setPath([split, String(id)]);
    this.#markExample(id);
    const response = await fetch(this.#app.url('api', this.#app.source.key, split, 'images', file)).catch(() => null);
    if (response?.ok) this.#find(await response.blob(), name);
    else this.#fail({ message: `The server does not give ${name}.`, remedy: 'Choose another image.', fatal: false });
  }

  #markExample(id?: number): void {
    for (const button of this.#thumbs.querySelectorAll('button'))
      button.setAttribute('aria-pressed', String(button.dataset.id === String(id)));
  }

  #find(image: Blob, name: string): void {
    URL.revokeObjectURL(this.#address);
    this.#address = URL.createObjectURL(image);
    this.#image = image;
    this.#name = name;
    this.#findings = {};
    this.#hovered = this.#selected = null;
    this.#choice = { ...this.#choice, view: 'instances', classIndex: null };
    this.#alert.hidden = true;
    this.#stage.classList.remove('empty');
    this.#stages.reset(OF_IMAGES);
    this.#picture.open(this.#address, name);
    this.#update();
    this.#session.find(++this.#id, image, name);
    this.#app.announce(`Looking for instances in ${name}.`);
  }

  #onReport(report: Report): void {
    if ('id' in report && report.id !== null && report.id !== this.#id) return;
    switch (report.type) {
      case 'stage':
        this.#stages.show(report.report);
        break;
      case 'opened':
        this.#onOpened(report.network);
        break;
      case 'found':
        this.#findings = withFinding(this.#findings, report.finding);
        if (report.finding.type === 'instances') this.#tellInstances();
        this.#update();
        break;
      case 'failed':
        this.#stages.fail();
        this.#fail(report.failure);
        break;
    }
  }

  #onOpened(network: NetworkReport): void {
    this.#network = network;
    if (!network.hasClassifier) this.#stages.hideClassifier();
    const { adapter, recipe, parameters, classes } = network;
    const gpu = [adapter.vendor, adapter.architecture, adapter.description].filter(Boolean).join(' ');
    const facts = {
      Adapter: adapter.driver === 'hardware' ? gpu : `${gpu} (software)`,
      Network: `${recipe}, ${parameters.toLocaleString('en')} numbers`,
      Classes: classes.join(', '),
    };
    this.#facts.replaceChildren(
      ...Object.entries(facts).map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
    );
    this.#app.announce(`The network is ready on ${gpu}.`);
    this.#update();
  }

  #tellInstances(): void {
    const shown = shownInstances(this.#findings, this.#choice);
    const names = shown.map(({ class: own, score = 0 }) => `${this.#className(own)} ${percent(score)}`);
    this.#app.announce(
      `${counted(shown.length, 'instance')} in ${this.#name}${names.length > 0 ? `: ${names.join(', ')}` : ''}.`,
    );
  }

  #className(index: number | null): string {
    return this.#network?.classes[index ?? -1] ?? '';
  }

  #fail({ message, remedy, fatal }: Failure): void {
    const again = el('button', { type: 'button' }, 'Try again');
    again.addEventListener('click', () => this.#reopen());
    this.#alert.replaceChildren(
      el('p', {}, el('strong', {}, message)),
      ...(remedy ? [el('p', {}, remedy)] : []),
      ...(fatal ? [again] : []),
    );
    this.#alert.hidden = false;
  }

  /** A new worker, device and network, and the image once more. */
  #reopen(): void {
    this.#alert.hidden = true;
    this.#stages.reset();
    this.#session.close();
    this.#session = this.#open();
    if (this.#image) this.#find(this.#image, this.#name);
  }

  #choose(change: Partial<Choice>): void {
    this.#choice = { ...this.#choice, ...change };
    this.#update('view' in change);
  }

  #hover(object: MaskedObject | null): void {
    if (object === this.#hovered) return;
    this.#hovered = object;
    this.#list.hover(object);
    this.#draw();
  }

  #draw(): void {
    const highlight = this.#hovered ?? this.#selected;
    const scene = sceneOf(this.#findings, this.#choice, this.#network?.classes ?? [], highlight);
    this.#picture.draw(scene, `${VIEWS[this.#choice.view]} drawn over ${this.#name}`);
  }

  /** @param anew whether the settings are those of another view. */
  #update(anew = true): void {
    const { view } = this.#choice;
    for (const button of this.#views.querySelectorAll('button')) {
      const own = button.dataset.view as View;
      button.disabled = !isKnown(this.#findings, own);
      button.setAttribute('aria-pressed', String(own === view));
      button.hidden = (own === 'responses' || own === 'evidence') && this.#network?.hasClassifier === false;
    }
    this.#stage.dataset.view = view;
    if (anew) this.#settings.replaceChildren(...this.#settingsOf(view));
    const shown = shownInstances(this.#findings, this.#choice);
    this.#list.show(shown, this.#network?.classes ?? []);
    this.#summary.textContent = this.#summaryOf(shown.length);
    this.element.classList.toggle('listed', shown.length > 0);
    this.#draw();
  }

  #summaryOf(shown: number): string {
    const { instances } = this.#findings;
    if (this.#id === 0) return 'No image yet.';
    if (!instances) return 'Looking …';
    if (instances.length === 0) return 'None.';
    return `${shown} of ${instances.length} score ${percent(this.#choice.minScore)} or more`;
  }

  #settingsOf(view: View): HTMLElement[] {
    const { instances, proposals = [], responses } = this.#findings;
    if (view === 'instances') {
      if (!instances) return [];
      return [
        slider('Score at least', { value: this.#choice.minScore, least: 0, most: 1, step: 0.01 }, percent, (minScore) =>
          this.#choose({ minScore }),
        ),
      ];
    }
    if (view === 'proposals') {
      const most = Math.max(1, proposals.length);
      const value = Math.min(this.#choice.proposals, most);
      const text = (count: number): string => `${count} of ${proposals.length}`;
      return [
        slider('The first', { value, least: 1, most, step: 1 }, text, (count) => this.#choose({ proposals: count })),
      ];
    }
    return responses ? [this.#classChips(responses.scores)] : [];
  }

  /** One class at a time, the surest first. */
  #classChips(scores: Float32Array): HTMLElement {
    const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a]);
    const chips = order.map((classIndex) => {
      const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
      swatch.style.setProperty('--swatch', cssColour(classIndex));
      const chosen = (): boolean => shownClass(this.#findings, this.#choice) === classIndex;
      const chip = el(
        'button',
        { type: 'button', class: 'chip', 'aria-pressed': String(chosen()) },
        swatch,
        this.#className(classIndex),
        el('small', {}, scores[classIndex].toFixed(1)),
      );
      chip.addEventListener('click', () => {
        this.#choose({ classIndex });
        for (const one of chips) one.setAttribute('aria-pressed', String(one === chip));
      });
      return chip;
    });
    return el('div', { class: 'chips', role: 'group', 'aria-label': 'Class' }, chips);
  }

  #viewButtons(): HTMLElement {
    const buttons = VIEW_NAMES.map((view, i) => {
      const button = el('button', { type: 'button', 'data-view': view, 'aria-keyshortcuts': i + 1 }, VIEWS[view]);
      button.addEventListener('click', () => this.#choose({ view }));
      return button;
    });
    return el('div', { class: 'segments', role: 'group', 'aria-label': 'What is drawn' }, buttons);
  }

  #invitation(): HTMLElement {
    return el(
      'div',
      { class: 'invitation' },
      el('p', { class: 'headline' }, 'Drop an image here'),
      el('p', { class: 'muted' }, 'or choose or paste one. It stays in this browser: the network runs on your GPU.'),
    );
  }

  /** Where images come from: files, and the run's data. */
  #sources(): HTMLElement {
    const { split, images } = this.#examples;
    const { key } = this.#app.source;
    const thumbs = images.map((image) => {
      const src = this.#app.url('api', key, split, 'thumbs', `${image.id}.webp`);
      const picture = el('img', { src, alt: '', loading: 'lazy' });
      const button = el(
        'button',
        { type: 'button', 'aria-label': image.name, title: image.name, 'data-id': image.id },
        picture,
      );
      button.addEventListener('click', () => void this.#findExample(image));
      return el('li', {}, button);
    });
    return el(
      'section',
      { class: 'examples', 'aria-label': 'Images to try' },
      el(
        'div',
        { class: 'bar' },
        this.#input,
        el('label', { class: 'button', for: 'try-file' }, 'Choose an image'),
        images.length > 0 ? el('span', { class: 'muted' }, `or one of the run’s ${split} images`) : null,
      ),
      el('ul', {}, thumbs),
    );
  }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const keyHelp = (): (string | HTMLElement)[] => [
  el('kbd', {}, `1–${VIEW_NAMES.length}`),
  ' views  ',
  el('kbd', {}, '↑↓'),
  ' instances  ',
  el('kbd', {}, 'O'),
  ' open',
];

/** A number to slide, and what it says. */
function slider(
  label: string,
  { value, least, most, step }: { value: number; least: number; most: number; step: number },
  textOf: (value: number) => string,
  onChange: (value: number) => void,
): HTMLElement {
  const input = el('input', { type: 'range', min: least, max: most, step, value });
  const output = el('output', {}, textOf(value));
  input.addEventListener('input', () => {
    output.textContent = textOf(input.valueAsNumber);
    input.setAttribute('aria-valuetext', output.textContent);
    onChange(input.valueAsNumber);
  });
  input.setAttribute('aria-valuetext', textOf(value));
  return el('label', { class: 'try-slider' }, el('span', {}, label), input, output);
}
