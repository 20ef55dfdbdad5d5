/** What proposals allow: the scores of a detector that always picks the right proposal and class. */
import { type CocoAnnotation, type CocoJson, type CocoResult, segmentationRuns } from '../evaluate/coco-json.ts';
import { maskIou, measureMask } from '../evaluate/iou.ts';
import { parseRle, type Rle } from '../evaluate/rle.ts';
import { type VocReport, vocReport } from '../evaluate/voc-report.ts';

/** What the proposals of a data set allow a detector to find. */
export interface ProposalQuality {
  /** AP if each object's best proposal, and nothing else, carries the object's class. */
  readonly upperBound: VocReport;
  /** Over all objects that are not crowds: mean IoU of the best proposal. 0 without objects, as are the recalls. */
  readonly meanBestIou: number;
  /** Share of the objects whose best proposal has IoU ≥ 0.5. */
  readonly recall50: number;
  /** The same for 0.7. */
  readonly recall70: number;
}

/** Compares objects with proposals by mask, image by image; an image that is never added has no proposals. */
export class ProposalCoverage {
  readonly #gt: CocoJson;
  readonly #annotationsOf: ReadonlyMap<number, CocoAnnotation[]>;
  readonly #detections: CocoResult[] = [];
  readonly #bestIous: number[] = [];

  /** For the objects of an annotation file. */
  constructor(gt: CocoJson) {
    this.#gt = gt;
    const annotationsOf = new Map<number, CocoAnnotation[]>(gt.images.map(({ id }) => [id, []]));
    for (const annotation of gt.annotations) annotationsOf.get(annotation.image_id)?.push(annotation);
    this.#annotationsOf = annotationsOf;
  }

  /** @param masks of all proposals of the image. */
  add({ id, height, width }: { id: number; height: number; width: number }, masks: readonly Rle[]): void {
    const objects = (this.#annotationsOf.get(id) ?? []).filter(({ iscrowd }) => !iscrowd);
    if (objects.length === 0) return;
    const shapes = masks.map((rle) => measureMask(parseRle(rle)));
    // Two objects of a class may share their best proposal: it is one detection.
    const found = new Set<string>();
    for (const { category_id, segmentation } of objects) {
      const truth = measureMask(segmentationRuns(segmentation, height, width));
      let best = -1;
      let bestIou = 0;
      shapes.forEach((shape, n) => {
        const iou = maskIou(shape, truth);
        if (iou > bestIou) {
          bestIou = iou;
          best = n;
        }
      });
      if (best < 0) continue;
      this.#bestIous.push(bestIou);
      if (found.has(`${best} ${category_id}`)) continue;
      found.add(`${best} ${category_id}`);
      this.#detections.push({ image_id: id, category_id, score: 1, segmentation: masks[best] });
    }
  }

  /** Over all images of the file. */
  quality(): ProposalQuality {
    // Objects that no proposal touches are not in the list: they count as 0.
    const objects = Math.max(this.#gt.annotations.filter(({ iscrowd }) => !iscrowd).length, 1);
    const recallAt = (threshold: number): number => this.#bestIous.filter((iou) => iou >= threshold).length / objects;
    return {
      upperBound: vocReport(this.#gt, this.#detections),
      meanBestIou: this.#bestIous.reduce((sum, iou) => sum + iou, 0) / objects,
      recall50: recallAt(0.5),
      recall70: recallAt(0.7),
    };
  }
}
