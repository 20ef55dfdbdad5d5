/** Elements in few words. */

type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;
export type Child = Node | string | null | undefined | readonly Child[];

/** An element; attributes that are true are empty, those that are false, null or undefined are left out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

function append(parent: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) append(parent, child);
    else if (child !== null && child !== undefined) parent.append(child as Node | string);
  }
}

/** A field with its label around it. */
export const labelled = (text: string, field: HTMLElement, ...more: readonly Child[]): HTMLLabelElement =>
  el('label', { class: 'field' }, el('span', {}, text), field, ...more);

/** A list to choose from; `options` are values with their texts. */
export function select(
  options: readonly (readonly [value: string, text: string])[],
  value: string,
  onChange: (value: string) => void,
): HTMLSelectElement {
  const list = el(
    'select',
    {},
    options.map(([name, text]) => el('option', { value: name, selected: name === value }, text)),
  );
  list.addEventListener('change', () => onChange(list.value));
  return list;
}
