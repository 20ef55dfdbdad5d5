/** The filters beside the grid. */
import type { Layer, SplitIndex } from '../../wire.ts';
import { el, labelled, select } from '../dom.ts';
import { cssColour } from '../draw/scene.ts';
import { type Filter, OBJECT_LAYERS, ORDERS, type Order } from './filter.ts';
import { LAYER_NAMES } from './layers.ts';

export interface PanelOptions {
  readonly index: SplitIndex;
  readonly filter: Filter;
  readonly order: Order;
  readonly onFilter: (change: Partial<Filter>) => void;
  readonly onOrder: (order: Order) => void;
}

export interface Panel {
  readonly element: HTMLElement;
  /** Shows what the keyboard has changed. */
  update(filter: Filter): void;
}

export function filterPanel({ index, filter, order, onFilter, onOrder }: PanelOptions): Panel {
  const { classes, layers, images } = index;
  const layerSwitch = layerButtons(layers, filter.layers, (chosen) => onFilter({ layers: chosen }));
  const columns = images.flatMap(({ objects }) => OBJECT_LAYERS.flatMap((layer) => objects[layer] ?? []));
  const hasScores = columns.some(({ scores }) => scores !== undefined);
  const hasIous = columns.some(({ ious }) => ious !== undefined);
  const element = el(
    'aside',
    { class: 'filters card', 'aria-label': 'Filters' },
    el('fieldset', {}, el('legend', {}, 'Layers'), layerSwitch.element),
    el(
      'fieldset',
      {},
      el('legend', {}, 'Classes'),
      classChips(index, filter, (chosen) => onFilter({ classes: chosen })),
    ),
    hasScores ? slider('Score at least', filter.minScore, (minScore) => onFilter({ minScore })) : null,
    hasIous
      ? el(
          'fieldset',
          {},
          el('legend', {}, 'IoU with ground truth'),
          slider('at least', filter.minIou, (minIou) => onFilter({ minIou })),
          slider('at most', filter.maxIou, (maxIou) => onFilter({ maxIou })),
        )
      : null,
    labelled(
      'Order',
      select(
        Object.entries(ORDERS).filter(([name]) => hasIous || (name !== 'worst' && name !== 'best')),
        order,
        (value) => onOrder(value as Order),
      ),
    ),
    classes.length === 0 ? null : el('p', { class: 'keys' }, keys(layers.length)),
  );
  return { element, update: ({ layers: chosen }) => layerSwitch.update(chosen) };
}

const keys = (layers: number): Node[] => [
  el('kbd', {}, '←↑↓→'),
  new Text(' move  '),
  el('kbd', {}, 'Enter'),
  new Text(' open  '),
  el('kbd', {}, layers > 1 ? `1–${layers}` : '1'),
  new Text(' layers'),
];

/** Switches for the layers, each with the digit that does the same. */
export function layerButtons(
  layers: readonly Layer[],
  shown: ReadonlySet<Layer>,
  onChange: (layers: ReadonlySet<Layer>) => void,
): { readonly element: HTMLElement; update(shown: ReadonlySet<Layer>): void } {
  let current = shown;
  const buttons = layers.map((layer, i) => {
    const button = el(
      'button',
      { type: 'button', class: 'layer', 'aria-pressed': String(shown.has(layer)), 'aria-keyshortcuts': i + 1 },
      el('span', { class: `sample sample-${layer}`, 'aria-hidden': 'true' }),
      el('span', {}, LAYER_NAMES[layer]),
      el('kbd', { 'aria-hidden': 'true' }, String(i + 1)),
    );
    button.addEventListener('click', () => onChange(toggled(current, layer)));
    return [layer, button] as const;
  });
  return {
    element: el(
      'div',
      { class: 'layers' },
      buttons.map(([, button]) => button),
    ),
    update(next) {
      current = next;
      for (const [layer, button] of buttons) button.setAttribute('aria-pressed', String(next.has(layer)));
    },
  };
}

/** With the element, if it was not there, else without. */
export function toggled<T>(set: ReadonlySet<T>, element: T): ReadonlySet<T> {
  const next = new Set(set);
  if (!next.delete(element)) next.add(element);
  return next;
}

function classChips(
  { classes, images }: SplitIndex,
  filter: Filter,
  onChange: (classes: ReadonlySet<number>) => void,
): HTMLElement {
  let current = filter.classes;
  const counts = new Array<number>(classes.length).fill(0);
  for (const { labels } of images) for (const label of labels) counts[label]++;
  const chips = classes.map((name, i) => {
    const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
    swatch.style.setProperty('--swatch', cssColour(i));
    const chip = el(
      'button',
      { type: 'button', class: 'chip', 'aria-pressed': String(current.has(i)) },
      swatch,
      name,
      el('small', { 'aria-label': `${counts[i]} images` }, String(counts[i])),
    );
    chip.addEventListener('click', () => {
      current = toggled(current, i);
      chip.setAttribute('aria-pressed', String(current.has(i)));
      onChange(current);
    });
    return chip;
  });
  return el('div', { class: 'chips' }, chips);
}

/** From 0 to 1 by hundredths. */
function slider(text: string, value: number, onChange: (value: number) => void): HTMLElement {
  const output = el('output', {}, value.toFixed(2));
  const range = el('input', { type: 'range', 'aria-label': text, min: 0, max: 1, step: 0.01, value });
  range.addEventListener('input', () => {
    output.textContent = range.valueAsNumber.toFixed(2);
    onChange(range.valueAsNumber);
  });
  return el('label', { class: 'slider' }, el('span', {}, text), range, output);
}
