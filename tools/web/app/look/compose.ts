/** From what is known of an image to what is drawn over it. */
import type { ImageDetail, ImageInfo, Layer, MaskedObject, ProposalList } from '../../wire.ts';
import type { Scene, SceneObject } from '../draw/scene.ts';
import type { SplitData } from './data.ts';
import { type Filter, passes } from './filter.ts';

/** The objects of an image that pass the filter, layer by layer. */
export interface Shown {
  readonly image: ImageInfo;
  readonly layers: readonly (readonly [Layer, readonly MaskedObject[]])[];
  readonly detail: ImageDetail;
}

/** From the lowest to the uppermost; the annotated objects are lines only and stay visible. */
const DEPTH: readonly Layer[] = ['proposals', 'labels', 'detections', 'truth'];
/** More labels than this would hide the picture. */
const LABELS = 24;

export async function loadShown(data: SplitData, image: ImageInfo, filter: Filter): Promise<Shown> {
  const [detail, proposals] = await Promise.all([
    data.detail(image),
    filter.layers.has('proposals') ? data.proposals(image) : ([] as ProposalList),
  ]);
  const layers = DEPTH.filter((layer) => filter.layers.has(layer)).map((layer) => {
    const objects = layer === 'proposals' ? proposals : (layer !== 'peaks' && detail.objects[layer]) || [];
    return [layer, objects.filter((object) => passes(filter, object))] as const;
  });
  return { image, layers, detail };
}

interface ComposeOptions {
  readonly filter: Filter;
  readonly classes: readonly string[];
  readonly highlight?: MaskedObject | null;
  /** Whether names stand on what was found. */
  readonly named?: boolean;
}

export function composeScene(
  { image, layers, detail }: Shown,
  { filter, classes, highlight = null, named = false }: ComposeOptions,
): Scene {
  const { width, height } = image;
  const objects = layers.flatMap(([layer, list]) =>
    // The surest, or smallest, is drawn last.
    list
      .map((object): SceneObject => {
        const labelled = named && (object === highlight || (isNamed(layer) && list.length <= LABELS));
        return labelled ? { layer, object, label: shortName(object, classes) } : { layer, object };
      })
      .sort((a, b) => (isNamed(layer) ? score(a) - score(b) : area(b) - area(a))),
  );
  return { width, height, objects, highlight, peaks: filter.layers.has('peaks') ? peaksOf(detail, filter) : undefined };
}

const isNamed = (layer: Layer): boolean => layer === 'detections' || layer === 'labels';
const score = ({ object }: SceneObject): number => object.score ?? 0;
const area = ({ object: { box } }: SceneObject): number => box[2] * box[3];

const shortName = ({ class: own, score: value }: MaskedObject, classes: readonly string[]): string =>
  `${own === null ? 'proposal' : classes[own]}${value === undefined ? '' : ` ${value.toFixed(2)}`}`;

function peaksOf({ peaks }: ImageDetail, { classes }: Filter): Scene['peaks'] {
  const chosen = (own: { readonly class: number }): boolean => classes.size === 0 || classes.has(own.class);
  return peaks && { peaks: peaks.peaks.filter(chosen), maps: peaks.maps.filter(chosen) };
}
