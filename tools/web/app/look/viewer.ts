/** One image, as large as the window, with the list of what is drawn over it. */
import type { ImageInfo, Layer, MaskedObject, SplitIndex } from '../../wire.ts';
import { el } from '../dom.ts';
import { maskPath } from '../draw/outline.ts';
import { cssColour, drawScene } from '../draw/scene.ts';
import { composeScene, loadShown, type Shown } from './compose.ts';
import type { SplitData } from './data.ts';
import type { Filter } from './filter.ts';
import { LAYER_NAMES } from './layers.ts';
import { layerButtons } from './panel.ts';

export interface ViewerOptions {
  readonly data: SplitData;
  readonly onLayers: (layers: ReadonlySet<Layer>) => void;
  /** By how many images to go on; the images are those of the grid. */
  readonly onStep: (by: number) => void;
  readonly onClose: () => void;
  readonly announce: (message: string) => void;
}

export class Viewer {
  readonly element = el('dialog', {
    class: 'viewer',
    'aria-labelledby': 'viewer-title',
    tabindex: -1,
    autofocus: true,
  });
  readonly #options: ViewerOptions;
  readonly #index: SplitIndex;
  readonly #title = el('h2', { id: 'viewer-title' });
  readonly #position = el('span', { class: 'muted' });
  readonly #picture = el('img', { alt: '' });
  readonly #canvas = el('canvas', { role: 'img' });
  readonly #frame = el('div', { class: 'frame' }, this.#picture, this.#canvas);
  readonly #stage = el('div', { class: 'stage' }, this.#frame);
  readonly #list = el('div', { class: 'objects', tabindex: 0, role: 'region', 'aria-label': 'Objects' });
  readonly #resize = new ResizeObserver(() => this.#fit());
  readonly #layers: ReturnType<typeof layerButtons>;
  #image: ImageInfo | undefined;
  #filter: Filter | undefined;
  #shown: Shown | undefined;
  #hovered: MaskedObject | null = null;
  #selected: MaskedObject | null = null;
  #rows = new Map<MaskedObject, HTMLButtonElement>();

  constructor(options: ViewerOptions, filter: Filter) {
    this.#options = options;
    this.#index = options.data.index;
    this.#layers = layerButtons(this.#index.layers, filter.layers, options.onLayers);
    const button = (text: string, label: string, work: () => void): HTMLButtonElement => {
      const made = el('button', { type: 'button', 'aria-label': label, title: label }, text);
      made.addEventListener('click', work);
      return made;
    };
    this.element.append(
      el(
        'header',
        {},
        button('←', 'Previous image', () => options.onStep(-1)),
        button('→', 'Next image', () => options.onStep(1)),
        el('div', { class: 'heading' }, this.#title, this.#position),
        this.#layers.element,
        button('✕', 'Close', () => this.element.close()),
      ),
      this.#stage,
      this.#list,
    );
    this.element.addEventListener('close', () => {
      this.#image = undefined;
      options.onClose();
    });
    this.element.addEventListener('keydown', (event) => this.#onKey(event));
    this.#stage.addEventListener('pointermove', (event) => this.#hover(this.#objectAt(event)));
    this.#stage.addEventListener('pointerleave', () => this.#hover(null));
    this.#stage.addEventListener('click', (event) => this.#select(this.#objectAt(event)));
    this.#resize.observe(this.#stage);
  }

  get isOpen(): boolean {
    return this.element.open;
  }

  /** Opens, or goes to another image, or draws the same one by another filter. */
  async show(image: ImageInfo, filter: Filter, place: string): Promise<void> {
    const { data, announce } = this.#options;
    const isNew = this.#image?.id !== image.id;
    this.#image = image;
    this.#filter = filter;
    this.#layers.update(filter.layers);
    this.#title.textContent = image.name;
    this.#position.textContent = place;
    if (isNew) {
      this.#picture.src = data.picture(image);
      this.#shown = undefined;
      this.#hovered = this.#selected = null;
      this.#list.replaceChildren();
    }
    if (!this.element.open) {
      this.element.showModal();
      this.element.focus(); // not its first button, which nobody has chosen
    }
    this.#fit();
    const shown = await loadShown(data, image, filter).catch((error: Error) => {
      this.#list.replaceChildren(el('p', { class: 'muted', role: 'alert' }, error.message));
    });
    if (!shown || this.#image !== image || this.#filter !== filter) return;
    this.#shown = shown;
    this.#drawList();
    this.#draw();
    const counts = shown.layers.map(([layer, { length }]) => `${LAYER_NAMES[layer]}: ${length}`).join(', ');
    this.#canvas.setAttribute('aria-label', `${image.name} with ${counts || 'nothing'} drawn over it`);
    if (isNew) announce(`${image.name}, ${place}. ${counts}`);
  }

  close(): void {
    if (this.element.open) this.element.close();
  }

  destroy(): void {
    this.#resize.disconnect();
    this.element.remove();
  }

  /** The picture as large as the stage allows. */
  #fit(): void {
    if (!this.#image || !this.element.open) return;
    const { clientWidth, clientHeight } = this.#stage;
    const { width, height } = this.#image;
    const scale = Math.min((clientWidth - 32) / width, (clientHeight - 32) / height);
    this.#frame.style.width = `${Math.floor(width * scale)}px`;
    this.#frame.style.height = `${Math.floor(height * scale)}px`;
    this.#draw();
  }

  #draw(): void {
    if (!this.#shown || !this.#filter) {
      this.#canvas.width = 1; // clears it
      return;
    }
    const highlight = this.#hovered ?? this.#selected;
    const { classes } = this.#index;
    const scene = composeScene(this.#shown, { filter: this.#filter, classes, highlight, named: true });
    drawScene(this.#canvas, scene, this.#frame.clientWidth);
  }

  #drawList(): void {
    const { layers } = this.#shown!;
    const { classes } = this.#index;
    this.#rows = new Map();
    const sections = layers.toReversed().map(([layer, objects]) =>
      el(
        'section',
        {},
        el('h3', {}, LAYER_NAMES[layer], el('small', {}, String(objects.length))),
        el(
          'ol',
          {},
          objects.map((object, place) => el('li', {}, this.#row(object, place, classes))),
        ),
      ),
    );
    const empty = layers.every(([, { length }]) => length === 0);
    this.#list.replaceChildren(
      ...sections,
      ...(empty
        ? [el('p', { class: 'muted' }, 'Nothing to list: switch other layers on, or loosen the filters.')]
        : []),
    );
  }

  #row(object: MaskedObject, place: number, classes: readonly string[]): HTMLButtonElement {
    const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
    swatch.style.setProperty('--swatch', cssColour(object.class ?? place));
    const { score, iou, cluster } = object;
    const name = object.class === null ? `proposal ${place + 1}` : classes[object.class];
    const row = el(
      'button',
      { type: 'button', class: 'line object', 'aria-pressed': 'false' },
      swatch,
      el('span', { class: 'name' }, cluster === undefined ? name : `${name} · cluster ${cluster}`),
      score === undefined ? null : el('span', { class: 'score' }, score.toFixed(2)),
      iou === undefined ? null : el('span', { class: 'iou' }, el('small', {}, 'IoU '), iou.toFixed(2)),
    );
    row.addEventListener('pointerenter', () => this.#hover(object));
    row.addEventListener('pointerleave', () => this.#hover(null));
    row.addEventListener('focus', () => this.#hover(object));
    row.addEventListener('blur', () => this.#hover(null));
    row.addEventListener('click', () => this.#select(object));
    this.#rows.set(object, row);
    return row;
  }

  #hover(object: MaskedObject | null): void {
    if (object === this.#hovered) return;
    if (this.#hovered) this.#rows.get(this.#hovered)?.classList.remove('hovered');
    this.#hovered = object;
    if (object) {
      this.#rows.get(object)?.classList.add('hovered');
      this.#rows.get(object)?.scrollIntoView({ block: 'nearest' });
    }
    this.#draw();
  }

  /** Selects an object, or none when it is selected already. */
  #select(object: MaskedObject | null): void {
    if (this.#selected) this.#rows.get(this.#selected)?.setAttribute('aria-pressed', 'false');
    this.#selected = object === this.#selected ? null : object;
    if (this.#selected) this.#rows.get(this.#selected)?.setAttribute('aria-pressed', 'true');
    this.#draw();
  }

  /** The uppermost object at the pointer; of proposals, which lie over each other, the smallest. */
  #objectAt({ clientX, clientY }: PointerEvent | MouseEvent): MaskedObject | null {
    if (!this.#shown || !this.#filter || !this.#image) return null;
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const x = ((clientX - left) / width) * this.#image.width;
    const y = ((clientY - top) / height) * this.#image.height;
    const context = this.#canvas.getContext('2d');
    const { objects } = composeScene(this.#shown, { filter: this.#filter, classes: this.#index.classes });
    context?.setTransform(1, 0, 0, 1, 0, 0);
    const hit = ({ mask, box }: MaskedObject): boolean =>
      mask
        ? (context?.isPointInPath(maskPath(mask), x, y, 'evenodd') ?? false)
        : x >= box[0] && y >= box[1] && x < box[0] + box[2] && y < box[1] + box[3];
    return objects.findLast(({ object }) => hit(object))?.object ?? null;
  }

  #onKey(event: KeyboardEvent): void {
    const { key, ctrlKey, altKey, metaKey } = event;
    if (ctrlKey || altKey || metaKey) return;
    if (key === 'ArrowRight' || key === 'ArrowLeft') this.#options.onStep(key === 'ArrowRight' ? 1 : -1);
    else if (key === 'ArrowDown' || key === 'ArrowUp') this.#stepInList(key === 'ArrowDown' ? 1 : -1);
    else return;
    event.preventDefault();
  }

  #stepInList(by: number): void {
    const rows = [...this.#rows.values()];
    const at = rows.indexOf(document.activeElement as HTMLButtonElement);
    rows[at < 0 ? 0 : Math.max(0, Math.min(at + by, rows.length - 1))]?.focus();
  }
}
