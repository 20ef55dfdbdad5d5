/** The instances that were found, as a list to walk through. */
import { el } from '../app/dom.ts';
import { cssColour } from '../app/draw/scene.ts';
import type { MaskedObject } from '../wire.ts';

export interface InstanceListOptions {
  /** The instance that is pointed at, or none. */
  readonly onHover: (instance: MaskedObject | null) => void;
  /** The instance that stays highlighted, or none. */
  readonly onSelect: (instance: MaskedObject | null) => void;
}

export class InstanceList {
  readonly element = el('ol', { class: 'instances' });
  readonly #options: InstanceListOptions;
  #rows = new Map<MaskedObject, HTMLButtonElement>();
  #selected: MaskedObject | null = null;

  constructor(options: InstanceListOptions) {
    this.#options = options;
    this.element.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** @param instances the surest first. */
  show(instances: readonly MaskedObject[], classes: readonly string[]): void {
    this.#rows = new Map(instances.map((instance) => [instance, this.#row(instance, classes)]));
    if (this.#selected && !this.#rows.has(this.#selected)) this.select(null);
    this.element.replaceChildren(...[...this.#rows.values()].map((row) => el('li', {}, row)));
    this.#mark();
  }

  /** Marks the instance that the pointer is on in the picture. */
  hover(instance: MaskedObject | null): void {
    for (const [one, row] of this.#rows) row.classList.toggle('hovered', one === instance);
  }

  /** Selects an instance, or none where it is selected already. */
  select(instance: MaskedObject | null): void {
    this.#selected = instance === this.#selected ? null : instance;
    this.#mark();
    this.#options.onSelect(this.#selected);
  }

  #mark(): void {
    let first = true;
    for (const [instance, row] of this.#rows) {
      row.setAttribute('aria-pressed', String(instance === this.#selected));
      // One stop of the tab key; the arrow keys go on from there.
      row.tabIndex = (this.#selected ? instance === this.#selected : first) ? 0 : -1;
      first = false;
    }
  }

  #row(instance: MaskedObject, classes: readonly string[]): HTMLButtonElement {
    const { class: own, score = 0, iou } = instance;
    const name = classes[own!];
    const unseen = (text: string): HTMLElement => el('span', { class: 'visually-hidden' }, text);
    const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
    swatch.style.setProperty('--swatch', cssColour(own!));
    const meter = el('span', { class: 'meter', 'aria-hidden': 'true' });
    meter.style.setProperty('--share', String(score));
    meter.style.setProperty('--swatch', cssColour(own!));
    const row = el(
      'button',
      { type: 'button', class: 'line instance' },
      swatch,
      el('span', { class: 'name' }, name),
      meter,
      el('span', { class: 'score' }, unseen(', score '), score.toFixed(2)),
      iou === undefined
        ? null
        : el('span', { class: 'iou' }, unseen(', mask '), el('small', {}, 'IoU '), iou.toFixed(2)),
    );
    row.addEventListener('pointerenter', () => this.#options.onHover(instance));
    row.addEventListener('pointerleave', () => this.#options.onHover(null));
    row.addEventListener('focus', () => this.#options.onHover(instance));
    row.addEventListener('blur', () => this.#options.onHover(null));
    row.addEventListener('click', () => this.select(instance));
    return row;
  }

  #onKey(event: KeyboardEvent): void {
    const rows = [...this.#rows.values()];
    const at = rows.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (event.key === 'Escape') this.select(null);
    if (to === undefined || at < 0) return;
    event.preventDefault();
    rows[Math.max(0, Math.min(to, rows.length - 1))].focus();
  }
}
