/** Look: the images of a split, with everything that is known of them. */
import type { ImageInfo, Layer } from '../../wire.ts';
import { el } from '../dom.ts';
import { cssColour, drawScene } from '../draw/scene.ts';
import type { App, Mount } from '../page.ts';
import { composeScene, loadShown } from './compose.ts';
import { SplitData } from './data.ts';
import { chosenImages, countShown, type Filter, meanIou, type Order } from './filter.ts';
import { Grid } from './grid.ts';
import { filterPanel, toggled } from './panel.ts';
import { Viewer } from './viewer.ts';

/** Lowest score of what is shown at first. */
const MIN_SCORE = 0.3;

export const mount: Mount = (container, app) => {
  const { source } = app;
  if (source.splits.length === 0) throw new Error(source.problem ?? 'There are no images.');
  const look = new LookPage(container, app);
  look.navigate(app.path);
  return look;
};

/** The split that a run says most about. */
const preferredSplit = (splits: readonly string[]): string => (splits.includes('val') ? 'val' : splits[0]);

class LookPage {
  readonly #app: App;
  readonly #container: HTMLElement;
  #view: SplitPage | undefined;
  /** Rises with every split that is asked for. */
  #turn = 0;

  constructor(container: HTMLElement, app: App) {
    this.#container = container;
    this.#app = app;
  }

  navigate([name = '', id]: readonly string[]): void {
    const { splits } = this.#app.source;
    const split = splits.includes(name) ? name : preferredSplit(splits);
    if (this.#view?.split === split) this.#view.navigate(id);
    else void this.#open(split, id);
  }

  unmount(): void {
    this.#turn++;
    this.#view?.destroy();
  }

  async #open(split: string, id: string | undefined): Promise<void> {
    const mine = ++this.#turn;
    this.#view?.destroy();
    this.#view = undefined;
    this.#container.replaceChildren(el('p', { class: 'muted loading', role: 'status' }, `Reading ${split} …`));
    try {
      const data = await SplitData.open(this.#app, split);
      if (mine !== this.#turn) return;
      this.#view = new SplitPage(this.#app, data, (other) => this.#choose(other));
      this.#container.replaceChildren(this.#view.element);
      this.#view.navigate(id);
    } catch (error) {
      if (mine !== this.#turn) return;
      this.#container.replaceChildren(el('p', { class: 'notice', role: 'alert' }, (error as Error).message));
    }
  }

  #choose(split: string): void {
    this.#app.setPath([split], { push: true });
    this.navigate([split]);
  }
}

class SplitPage {
  readonly element: HTMLElement;
  readonly split: string;
  readonly #app: App;
  readonly #data: SplitData;
  readonly #grid: Grid;
  readonly #viewer: Viewer;
  readonly #panel: ReturnType<typeof filterPanel>;
  readonly #count = el('p', { class: 'muted', role: 'status' });
  readonly #onKey = (event: KeyboardEvent): void => this.#onDigit(event);
  #filter: Filter;
  #order: Order = 'file';
  #images: readonly ImageInfo[] = [];
  #drawing = 0;

  constructor(app: App, data: SplitData, choose: (split: string) => void) {
    this.#app = app;
    this.#data = data;
    this.split = data.split;
    this.#filter = {
      layers: firstLayers(data.index.layers),
      classes: new Set(),
      minScore: MIN_SCORE,
      minIou: 0,
      maxIou: 1,
    };
    const onFilter = (change: Partial<Filter>): void => this.#change(change);
    this.#grid = new Grid({
      render: (image, cell, width) => this.#render(image, cell, width),
      open: (image) => this.#open(image, true),
    });
    this.#panel = filterPanel({
      index: data.index,
      filter: this.#filter,
      order: this.#order,
      onFilter,
      onOrder: (order) => {
        this.#order = order;
        this.#update();
      },
    });
    this.#viewer = new Viewer(
      {
        data,
        announce: app.announce,
        onLayers: (layers) => onFilter({ layers }),
        onStep: (by) => this.#step(by),
        onClose: () => this.#onClose(),
      },
      this.#filter,
    );
    const splits = app.source.splits.map((name) => {
      const button = el('button', { type: 'button', 'aria-pressed': String(name === this.split) }, name);
      button.addEventListener('click', () => name !== this.split && choose(name));
      return button;
    });
    this.element = el(
      'div',
      { class: 'look' },
      el('h1', { class: 'visually-hidden' }, `${app.source.folder}: images of ${this.split}`),
      this.#panel.element,
      el(
        'div',
        { class: 'results' },
        el(
          'div',
          { class: 'bar' },
          el('div', { class: 'segments', role: 'group', 'aria-label': 'Split' }, splits),
          this.#count,
        ),
        this.#grid.element,
      ),
      this.#viewer.element,
    );
    document.addEventListener('keydown', this.#onKey);
    // The grid has its width once it is in the page.
    queueMicrotask(() => this.#update());
  }

  /** Opens the image that the address names, closes it where it names none. */
  navigate(id: string | undefined): void {
    const image = this.#data.index.images.find((one) => String(one.id) === id);
    if (image) this.#open(image, false);
    else this.#viewer.close();
  }

  destroy(): void {
    document.removeEventListener('keydown', this.#onKey);
    this.#grid.destroy();
    this.#viewer.destroy();
  }

  #change(change: Partial<Filter>): void {
    this.#filter = { ...this.#filter, ...change };
    this.#panel.update(this.#filter);
    this.#update();
    const image = this.#current();
    if (image) this.#open(image, false);
  }

  #update(): void {
    const { images } = this.#data.index;
    this.#drawing++;
    this.#images = chosenImages(images, this.#filter, this.#order);
    const objects = this.#images.reduce((sum, image) => sum + countShown(this.#filter, image), 0);
    const of = this.#images.length === images.length ? '' : ` of ${images.length}`;
    this.#count.textContent = `${this.#images.length}${of} images · ${objects} objects`;
    this.#grid.show(this.#images);
  }

  /** The image in the viewer. */
  #current(): ImageInfo | undefined {
    const [, id] = this.#app.path;
    return this.#viewer.isOpen ? this.#data.index.images.find((image) => String(image.id) === id) : undefined;
  }

  #open(image: ImageInfo, push: boolean): void {
    this.#app.setPath([this.split, String(image.id)], { push });
    const at = this.#images.findIndex(({ id }) => id === image.id);
    void this.#viewer.show(image, this.#filter, at < 0 ? 'not in the grid' : `${at + 1} of ${this.#images.length}`);
  }

  #step(by: number): void {
    const current = this.#current();
    const at = this.#images.findIndex(({ id }) => id === current?.id);
    const next = this.#images[at + by];
    if (next && at >= 0) this.#open(next, false);
  }

  #onClose(): void {
    const [, id] = this.#app.path;
    const image = this.#images.find((one) => String(one.id) === id);
    this.#app.setPath([this.split]);
    if (image) this.#grid.focus(image);
  }

  /** Digits switch layers. */
  #onDigit(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    const layer = this.#data.index.layers[Number(event.key) - 1];
    if (/^[1-9]$/.test(event.key) && layer) this.#change({ layers: toggled(this.#filter.layers, layer) });
  }

  #render(image: ImageInfo, cell: HTMLButtonElement, width: number): void {
    const { classes } = this.#data.index;
    const stage = Math.round(width * 0.75);
    const scale = Math.min(width / image.width, stage / image.height);
    const canvas = el('canvas', { 'aria-hidden': 'true' });
    const picture = el('img', { src: this.#data.thumb(image), alt: '', loading: 'lazy', decoding: 'async' });
    const frame = el('span', { class: 'frame' }, picture, canvas);
    frame.style.width = `${image.width * scale}px`;
    frame.style.height = `${image.height * scale}px`;
    const box = el('span', { class: 'thumb' }, frame);
    box.style.height = `${stage}px`;
    const swatches = image.labels.map((label) => {
      const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
      swatch.style.setProperty('--swatch', cssColour(label));
      return swatch;
    });
    const iou = meanIou(this.#filter, image);
    const hidden = (text: string): HTMLElement => el('span', { class: 'visually-hidden' }, text);
    const names = image.labels.map((label) => classes[label]).join(', ');
    cell.append(
      box,
      el(
        'span',
        { class: 'caption' },
        swatches,
        el('span', { class: 'name' }, image.name),
        hidden(`: ${names || 'no label'}, ${countShown(this.#filter, image)} objects`),
        iou === undefined
          ? null
          : el('span', { class: 'iou', title: 'mean IoU' }, hidden(', mean IoU '), iou.toFixed(2)),
      ),
    );
    void this.#draw(image, canvas, image.width * scale);
  }

  async #draw(image: ImageInfo, canvas: HTMLCanvasElement, width: number): Promise<void> {
    const mine = this.#drawing;
    const shown = await loadShown(this.#data, image, this.#filter).catch(() => null);
    if (!shown || mine !== this.#drawing || !canvas.isConnected) return;
    drawScene(canvas, composeScene(shown, { filter: this.#filter, classes: this.#data.index.classes }), width);
  }
}

/** What was found, over nothing else; where nothing was, the objects. */
function firstLayers(layers: readonly Layer[]): ReadonlySet<Layer> {
  const found = layers.filter((layer) => layer === 'labels' || layer === 'detections');
  return new Set(found.length > 0 ? found : layers.slice(0, 1));
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type !== 'range');
