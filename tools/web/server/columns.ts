/** Objects of an image on the way to the app: masks as runs, and how well they cover each other. */

import type { CocoAnnotation, CocoResult } from '@cim/model/evaluate/coco-json';
import { segmentationRuns } from '@cim/model/evaluate/coco-json';
import {
  compressRuns,
  intersectionArea,
  parseRle,
  type Runs,
  runsArea,
  runsBox,
  type XywhBox,
} from '@cim/model/evaluate/rle';
import type { Size } from '@cim/model/prm/resample';
import type { MaskedObject, ObjectColumns } from '../wire.ts';

/** An object with a class, and its mask where it has one. */
export interface ObjectRuns {
  readonly class: number;
  readonly score?: number;
  readonly runs: Runs | null;
  readonly box: XywhBox;
}

/** An annotation; null where it has no mask. */
export function annotationRuns(
  { segmentation, score }: Partial<Pick<CocoAnnotation, 'segmentation'>> & { readonly score?: number },
  classIndex: number,
  { width, height }: Size,
): ObjectRuns | null {
  if (segmentation === undefined || classIndex < 0) return null;
  const runs = segmentationRuns(segmentation, height, width);
  return { class: classIndex, score, runs, box: runsBox(runs) };
}

export function resultRuns({ segmentation, bbox, score }: CocoResult, classIndex: number): ObjectRuns {
  const runs = segmentation ? parseRle(segmentation) : null;
  return { class: classIndex, score, runs, box: runs ? runsBox(runs) : bbox! };
}

/** The largest IoU of each mask with one of the others that `matches`; 0 where there is none. */
export function bestIous<A extends { readonly runs: Runs | null }, B extends { readonly runs: Runs | null }>(
  of: readonly A[],
  others: readonly B[],
  matches: (a: A, b: B) => boolean = () => true,
): number[] {
  const areas = others.map(({ runs }) => (runs ? runsArea(runs) : 0));
  return of.map((one) => {
    const { runs } = one;
    if (!runs) return 0;
    const area = runsArea(runs);
    let best = 0;
    others.forEach((other, i) => {
      if (!other.runs || !matches(one, other)) return;
      const common = intersectionArea(runs, other.runs);
      best = Math.max(best, common / (area + areas[i] - common));
    });
    return thousandths(best);
  });
}

export const sameClass = (a: ObjectRuns, b: ObjectRuns): boolean => a.class === b.class;

/** Short in JSON, and fine enough to filter by. */
const thousandths = (value: number): number => Math.round(1000 * value) / 1000;

export function columnsOf(objects: readonly ObjectRuns[], ious?: readonly number[]): ObjectColumns {
  return {
    classes: objects.map((object) => object.class),
    ...(objects.some(({ score }) => score !== undefined)
      ? { scores: objects.map(({ score }) => thousandths(score ?? 0)) }
      : {}),
    ...(ious ? { ious } : {}),
  };
}

export const maskedObject = (
  { class: classIndex, score, runs, box }: ObjectRuns,
  iou: number | undefined,
): MaskedObject => ({
  class: classIndex,
  score: score === undefined ? undefined : thousandths(score),
  iou,
  box,
  mask: runs && compressRuns(runs),
});
