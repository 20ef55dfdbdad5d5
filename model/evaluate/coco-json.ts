/** COCO's JSON forms of annotations and results, as far as evaluation reads or writes them. */
import { ReportedError } from '@cim/runtime/errors';
import { polygonsRuns } from './polygon.ts';
import { parseRle, type Rle, type Runs, type UncompressedRle, type XywhBox } from './rle.ts';

export interface CocoImage {
  readonly id: number;
  readonly file_name: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

export interface CocoCategory {
  readonly id: number;
  readonly name: string;
}

/** Polygons (x0, y0, x1, y1, … each), or a mask in either encoding. */
export type CocoSegmentation = readonly (readonly number[])[] | Rle | UncompressedRle;

export interface CocoAnnotation {
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  /** Pixels; decides between small, medium and large. COCO's files give it apart from the mask. */
  readonly area: number;
  readonly bbox: XywhBox;
  readonly segmentation: CocoSegmentation;
  /** 1: a region of many objects, which detections may match without being right or wrong. */
  readonly iscrowd: 0 | 1;
}

/** An annotation file. */
export interface CocoJson<A extends CocoAnnotation = CocoAnnotation, I extends CocoImage = CocoImage> {
  readonly images: readonly I[];
  readonly annotations: readonly A[];
  readonly categories: readonly CocoCategory[];
}

/** One entry of a result file: with a mask, a box, or both. */
export interface CocoResult {
  readonly image_id: number;
  readonly category_id: number;
  readonly score: number;
  readonly segmentation?: Rle | UncompressedRle;
  readonly bbox?: XywhBox;
}

/** Annotations and results that do not belong together or lack what an evaluation needs. */
export class EvaluationError extends ReportedError {}

/** The mask of an annotation. Polygons take the image's size, encoded masks bring their own. */
export function segmentationRuns(segmentation: CocoSegmentation, height: number, width: number): Runs {
  return 'counts' in segmentation ? parseRle(segmentation) : polygonsRuns(segmentation, height, width);
}
