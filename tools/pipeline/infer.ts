/** Scores proposals with the trained network and selects detections. */

import { type Detection, selectDetections, toCocoResults } from '@cim/model/detect/select-detections';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { encodeRle, type Rle } from '@cim/model/evaluate/rle';
import { scoreProposals } from '@cim/model/infer/score-proposals';
import { proposalBoxes, proposalMask } from '@cim/model/proposals/masks';
import type { Proposals } from '@cim/model/proposals/proposals';
import type { LabelledImage } from '../datasets/dataset.ts';
import { forEach, type RunContext } from './context.ts';
import type { ProposalFiles } from './propose.ts';
import { networkProposals } from './regions.ts';
import { loadCim } from './train.ts';
import { insideSize, type WorkingImage, WorkingImages } from './working-images.ts';

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
  proposals: ProposalFiles,
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
    const scores = await scoreProposals(device, cim, image, networkProposals(regions), passes);
    const boxes = proposalBoxes(regions);
    const options = { nmsThreshold, limit: detectionsPerImage };
    found.push({
      entry,
      size: image.original,
      masks: fileMasks(regions, image),
      refinement: selectDetections(scores.refinement, boxes, options),
      antiNoise: selectDetections(scores.antiNoise, boxes, options),
    });
  });
  cim.parameters.dispose();
  return found;
}

/** Masks at the size of the image file: nearest pixels where the image was worked on smaller. */
export function fileMasks(proposals: Proposals, { original }: Pick<WorkingImage, 'original'>): Rle[] {
  const { width, height, count } = proposals;
  return Array.from({ length: count }, (_, n) => {
    const mask = proposalMask(proposals, n);
    if (original.width === width && original.height === height) return encodeRle(mask, height, width);
    const scaled = new Uint8Array(original.width * original.height);
    for (let y = 0, i = 0; y < original.height; y++) {
      const row = Math.floor(((y + 0.5) * height) / original.height) * width;
      for (let x = 0; x < original.width; x++, i++)
        scaled[i] = mask[row + Math.floor(((x + 0.5) * width) / original.width)];
    }
    return encodeRle(scaled, original.height, original.width);
  });
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
