/** A grid of pictures of which only those near the window exist, moved through with the arrow keys. */
import type { ImageInfo } from '../../wire.ts';
import { el } from '../dom.ts';

/** CSS pixels. */
const GAP = 14;
const CAPTION = 30;
const NARROWEST = 208;

export interface GridOptions {
  /** Fills the button of an image. */
  readonly render: (image: ImageInfo, cell: HTMLButtonElement, width: number) => void;
  readonly open: (image: ImageInfo) => void;
}

interface Cell {
  readonly item: HTMLLIElement;
  readonly button: HTMLButtonElement;
}

export class Grid {
  readonly element = el('ul', { class: 'grid', 'aria-label': 'Images' });
  readonly #options: GridOptions;
  readonly #cells = new Map<number, Cell>();
  readonly #resize = new ResizeObserver(() => this.#layOut(true));
  readonly #scroll = (): void => this.#layOut(false);
  #images: readonly ImageInfo[] = [];
  /** The image that has the one place in the order of the Tab key. */
  #active = 0;
  #columns = 1;
  #width = 0;
  #row = 1;

  constructor(options: GridOptions) {
    this.#options = options;
    this.element.addEventListener('keydown', (event) => this.#onKey(event));
    this.element.addEventListener('click', (event) => {
      const at = this.#indexOf(event.target as Element);
      if (at === undefined) return;
      this.#active = at;
      options.open(this.#images[at]);
    });
    window.addEventListener('scroll', this.#scroll, { passive: true });
    this.#resize.observe(this.element);
  }

  /** Shows other images, or the same ones drawn anew. */
  show(images: readonly ImageInfo[]): void {
    const active = this.#images[this.#active];
    this.#images = images;
    this.#active = Math.max(0, active ? images.findIndex(({ id }) => id === active.id) : 0);
    this.#layOut(true);
  }

  /** Brings an image into view and gives it the focus. */
  focus(image: ImageInfo): void {
    const at = this.#images.findIndex(({ id }) => id === image.id);
    if (at >= 0) this.#moveTo(at);
  }

  destroy(): void {
    window.removeEventListener('scroll', this.#scroll);
    this.#resize.disconnect();
  }

  #layOut(anew: boolean): void {
    const { clientWidth } = this.element;
    if (clientWidth === 0) return;
    this.#columns = Math.max(1, Math.floor((clientWidth + GAP) / (NARROWEST + GAP)));
    this.#width = (clientWidth - GAP * (this.#columns - 1)) / this.#columns;
    this.#row = Math.round(this.#width * 0.75) + CAPTION + GAP;
    const rows = Math.ceil(this.#images.length / this.#columns);
    this.element.style.height = `${Math.max(0, rows * this.#row - GAP)}px`;
    if (anew) this.#clear();
    const { top } = this.element.getBoundingClientRect();
    const first = Math.max(0, Math.floor((-top - window.innerHeight / 2) / this.#row)) * this.#columns;
    const last = Math.ceil((1.5 * window.innerHeight - top) / this.#row) * this.#columns;
    const wanted = new Set([this.#active]);
    for (let i = first; i < Math.min(last, this.#images.length); i++) wanted.add(i);
    for (const [i, { item }] of this.#cells) {
      if (wanted.has(i)) continue;
      item.remove();
      this.#cells.delete(i);
    }
    for (const i of [...wanted].sort((a, b) => a - b)) {
      if (i < this.#images.length && !this.#cells.has(i)) this.#add(i);
    }
  }

  #clear(): void {
    const focused = this.element.contains(document.activeElement);
    for (const { item } of this.#cells.values()) item.remove();
    this.#cells.clear();
    if (focused && this.#images.length > 0) this.#add(this.#active).focus({ preventScroll: true });
  }

  #add(i: number): HTMLButtonElement {
    const image = this.#images[i];
    const button = el('button', { type: 'button', class: 'cell', tabindex: i === this.#active ? 0 : -1 });
    const item = el(
      'li',
      { 'aria-setsize': this.#images.length, 'aria-posinset': i + 1, 'data-index': i, 'data-id': image.id },
      button,
    );
    const [row, column] = [Math.floor(i / this.#columns), i % this.#columns];
    item.style.width = `${this.#width}px`;
    item.style.height = `${this.#row - GAP}px`;
    item.style.transform = `translate(${column * (this.#width + GAP)}px, ${row * this.#row}px)`;
    this.#options.render(image, button, this.#width);
    // Screen readers and the Tab key go by the order of the elements.
    const after = [...this.#cells.keys()].filter((other) => other > i).sort((a, b) => a - b)[0];
    this.element.insertBefore(item, after === undefined ? null : this.#cells.get(after)!.item);
    this.#cells.set(i, { item, button });
    return button;
  }

  #indexOf(target: Element): number | undefined {
    const item = target.closest('li');
    return item ? Number(item.dataset.index) : undefined;
  }

  #onKey(event: KeyboardEvent): void {
    const { key, ctrlKey, altKey, metaKey } = event;
    const last = this.#images.length - 1;
    const page = this.#columns * Math.max(1, Math.floor(window.innerHeight / this.#row) - 1);
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: this.#columns,
      ArrowUp: -this.#columns,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    if (!(key in steps) || ctrlKey || altKey || metaKey || last < 0) return;
    event.preventDefault();
    const to = this.#active + steps[key];
    // A step down from the last but one row ends in the last one, whatever its length.
    if (Math.abs(steps[key]) === 1 && (to < 0 || to > last)) return;
    if (key === 'ArrowUp' && to < 0) return;
    this.#moveTo(Math.max(0, Math.min(to, last)));
  }

  #moveTo(at: number): void {
    this.#cells.get(this.#active)?.button.setAttribute('tabindex', '-1');
    this.#active = at;
    const button = this.#cells.get(at)?.button ?? this.#add(at);
    button.setAttribute('tabindex', '0');
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: 'nearest' });
    this.#layOut(false);
  }
}
