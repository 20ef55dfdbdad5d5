/** Neighbours that a kernel loads and stores together: four cost software GPUs little more than one. */
export type Element = 'f32' | 'vec4f';

/** What runs of `length` neighbours, one behind the other, are whole numbers of. */
export const elementOf = (length: number): Element => (length % 4 === 0 ? 'vec4f' : 'f32');

/** Neighbours in an element. */
export const widthOf = (element: Element): number => (element === 'f32' ? 1 : 4);

/** WGSL: the sum of an element's neighbours. */
export const sumOf = (element: Element, value: string): string =>
  element === 'f32' ? value : `dot(${value}, vec4f(1.0))`;
