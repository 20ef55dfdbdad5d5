/** Which images and objects are shown. */
import type { ImageInfo, Layer, ObjectColumns, ObjectLayer } from '../../wire.ts';

export interface Filter {
  readonly layers: ReadonlySet<Layer>;
  /** Class indices; empty for all. */
  readonly classes: ReadonlySet<number>;
  /** Lowest score of what has one, 0 to 1. */
  readonly minScore: number;
  /** Bounds of the IoU of what has one, 0 to 1. */
  readonly minIou: number;
  readonly maxIou: number;
}

/** Layers with objects, the others have no part in which images are shown. */
export const OBJECT_LAYERS: readonly ObjectLayer[] = ['truth', 'labels', 'detections'];
export const isObjectLayer = (layer: Layer): layer is ObjectLayer =>
  (OBJECT_LAYERS as readonly Layer[]).includes(layer);

/** What a filter looks at. */
export interface Filtered {
  readonly class: number | null;
  readonly score?: number;
  readonly iou?: number;
}

/** Whether an object is shown. What has no class, score or IoU is not judged by it. */
export function passes({ classes, minScore, minIou, maxIou }: Filter, { class: own, score, iou }: Filtered): boolean {
  return (
    (own === null || classes.size === 0 || classes.has(own)) &&
    (score === undefined || score >= minScore) &&
    (iou === undefined || (iou >= minIou && iou <= maxIou))
  );
}

function* objectsOf({ classes, scores, ious }: ObjectColumns): Generator<Filtered> {
  for (let i = 0; i < classes.length; i++) yield { class: classes[i], score: scores?.[i], iou: ious?.[i] };
}

/** How many objects of an image pass in the layers that are shown. */
export function countShown(filter: Filter, { objects }: ImageInfo): number {
  let count = 0;
  for (const layer of OBJECT_LAYERS) {
    const columns = objects[layer];
    if (!columns || !filter.layers.has(layer)) continue;
    for (const object of objectsOf(columns)) if (passes(filter, object)) count++;
  }
  return count;
}

/** Whether the filter leaves anything out that scores and masks decide. */
const isOpen = ({ minIou, maxIou }: Filter): boolean => minIou <= 0 && maxIou >= 1;

/**
 * Whether an image is shown: it has the chosen classes, as a label or as an object that passes; where bounds of IoU are
 * set, an object that passes.
 */
export function showsImage(filter: Filter, image: ImageInfo): boolean {
  if (isOpen(filter) && filter.classes.size === 0) return true;
  if (countShown(filter, image) > 0) return true;
  return isOpen(filter) && image.labels.some((label) => filter.classes.has(label));
}

export const ORDERS = {
  file: 'as in the file',
  worst: 'lowest mean IoU first',
  best: 'highest mean IoU first',
  most: 'most objects first',
} as const;
export type Order = keyof typeof ORDERS;

/** The images that are shown, in order. By IoU those without any come last. */
export function chosenImages(images: readonly ImageInfo[], filter: Filter, order: Order): ImageInfo[] {
  const chosen = images.filter((image) => showsImage(filter, image));
  if (order === 'file') return chosen;
  const sign = order === 'worst' ? 1 : -1;
  const value = (image: ImageInfo): number =>
    order === 'most' ? countShown(filter, image) : (meanIou(filter, image) ?? sign * Number.POSITIVE_INFINITY);
  const keyed = chosen.map((image) => ({ image, key: value(image) }));
  return keyed.sort((a, b) => (a.key === b.key ? 0 : sign * (a.key - b.key))).map(({ image }) => image);
}

/** Mean IoU of an image's objects that pass, of the annotated ones where they are shown. */
export function meanIou(filter: Filter, { objects }: ImageInfo): number | undefined {
  const layer = OBJECT_LAYERS.find((name) => filter.layers.has(name) && objects[name]?.ious);
  if (!layer) return undefined;
  const ious = [...objectsOf(objects[layer]!)].filter((object) => passes(filter, object)).map(({ iou }) => iou!);
  return ious.length === 0 ? undefined : ious.reduce((a, b) => a + b, 0) / ious.length;
}
