/** Scores proposals with the trained network and selects detections. */

import { type Detection, selectDetections, toCocoResults } from '@cim/model/detect/select-detections';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import type { Rle } from '@cim/model/evaluate/rle';
import { scoreProposals } from '@cim/model/infer/score-proposals';
import type { LabelledImage } from '../datasets/dataset.ts';
import type { ProposalSource } from '../proposals/source.ts';
import { forEach, type RunContext } from './context.ts';
import { loadCim } from './train.ts';
import { insideSize, WorkingImages } from './working-images.ts';

/** What inference found in one image. */
export interface ImageDetections {
  readonly entry: LabelledImage;
  readonly size: { readonly width: number; readonly height: number };
  /** Masks of all proposals, at the size of the file. */
  readonly masks: readonly Rle[];
  readonly refinement: readonly Detection[];
  readonly antiNoise: readonly Detection[];
}

/** Detections of every image that can be read and has proposals. */
export async function inferImages(
  context: RunContext,
  label: string,
  entries: readonly LabelledImage[],
  proposals: ProposalSource,
): Promise<ImageDetections[]> {
  const { device, recipe } = context;
  const { scales, flip, nmsThreshold, detectionsPerImage } = recipe.test;
  const images = new WorkingImages(context, insideSize(recipe.workingSize));
  const cim = await loadCim(context);
  const found: ImageDetections[] = [];
  await forEach(context, label, entries, async (entry) => {
    const image = await images.load(entry);
    const regions = image && (await proposals.load(entry, image));
    if (!regions) return;
    const size = Math.max(image.width, image.height);
    const passes = scales.flatMap((scale) =>
      (flip ? [false, true] : [false]).map((flipped) => ({ size: Math.round(scale * size), flip: flipped })),
    );
    const scores = await scoreProposals(device, cim, image, regions.network, passes);
    const options = { nmsThreshold, limit: detectionsPerImage };
    found.push({
      entry,
      size: image.original,
      masks: regions.fileMasks(),
      refinement: selectDetections(scores.refinement, regions.boxes, options),
      antiNoise: selectDetections(scores.antiNoise, regions.boxes, options),
    });
  });
  cim.parameters.dispose();
  return found;
}

/** COCO results of one of the two heads. */
export const cocoResults = (
  { classes }: Pick<RunContext, 'classes'>,
  images: readonly ImageDetections[],
  head: 'refinement' | 'antiNoise',
): CocoResult[] => {
  const categoryIds = classes.map(({ id }) => id);
  return images.flatMap((image) => toCocoResults(image.entry.id, image[head], [...image.masks], categoryIds));
};
