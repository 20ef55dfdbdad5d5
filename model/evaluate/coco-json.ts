/** COCO's JSON forms of annotations and results, as far as evaluation reads or writes them. */
import { ReportedError } from '@cim/runtime/errors';
import { polygonsRuns } from './polygon.ts';
import { parseRle, type Rle, type Runs, type UncompressedRle, type XywhBox } from './rle.ts';

/** An entry of `images`. */
export interface CocoImage {
  /** What annotations and results name it by. */
  readonly id: number;
  /** Below the folder of images. */
  readonly file_name: string;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** An entry of `categories`. */
export interface CocoCategory {
  /** What annotations and results name it by; need not be consecutive. */
  readonly id: number;
  /** For people. */
  readonly name: string;
}

/** Polygons (x0, y0, x1, y1, … each), or a mask in either encoding. */
export type CocoSegmentation = readonly (readonly number[])[] | Rle | UncompressedRle;

/** An entry of `annotations`: one object. */
export interface CocoAnnotation {
  /** Unique in the file. */
  readonly id: number;
  /** The image that shows it. */
  readonly image_id: number;
  /** What it is. */
  readonly category_id: number;
  /** Pixels; decides between small, medium and large. COCO's files give it apart from the mask. */
  readonly area: number;
  /** Pixels. */
  readonly bbox: XywhBox;
  /** Its mask. */
  readonly segmentation: CocoSegmentation;
  /** 1: a region of many objects, which detections may match without being right or wrong. */
  readonly iscrowd: 0 | 1;
}

/** An annotation file. */
export interface CocoJson<A extends CocoAnnotation = CocoAnnotation, I extends CocoImage = CocoImage> {
  /** All that are evaluated, also those without objects. */
  readonly images: readonly I[];
  /** All objects. */
  readonly annotations: readonly A[];
  /** All classes. */
  readonly categories: readonly CocoCategory[];
}

/** One entry of a result file: with a mask, a box, or both. */
export interface CocoResult {
  /** The image. */
  readonly image_id: number;
  /** The class found. */
  readonly category_id: number;
  /** The higher, the earlier it counts. */
  readonly score: number;
  /** The mask, in the size of the image; needed where masks are compared. */
  readonly segmentation?: Rle | UncompressedRle;
  /** Pixels; needed where boxes are compared. */
  readonly bbox?: XywhBox;
}

/** Annotations and results that do not belong together or lack what an evaluation needs. */
export class EvaluationError extends ReportedError {}

/** The mask of an annotation. Polygons take the image's size, encoded masks bring their own. */
export function segmentationRuns(segmentation: CocoSegmentation, height: number, width: number): Runs {
  return 'counts' in segmentation ? parseRle(segmentation) : polygonsRuns(segmentation, height, width);
}
