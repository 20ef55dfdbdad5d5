/** Scores proposals with the trained network and selects detections. */

import { type Detection, selectDetections, toCocoResults } from '@cim/model/detect/select-detections';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { type ProposalScores, scoreProposals } from '@cim/model/infer/score-proposals';
import { testPasses } from '@cim/model/infer/test-passes';
import type { LabelledImage } from '../datasets/dataset.ts';
import type { ImageProposals, ProposalSource } from '../proposals/source.ts';
import { type RunContext, worked } from './context.ts';
import { loadCim } from './train.ts';
import { insideSize } from './working-images.ts';

/** What inference found in one image. */
export interface ImageDetections {
  readonly entry: LabelledImage;
  /** Of the file, pixels. */
  readonly size: { readonly width: number; readonly height: number };
  readonly proposals: ImageProposals;
  readonly scores: ProposalScores;
  readonly refinement: readonly Detection[];
  readonly antiNoise: readonly Detection[];
}

/** The detections of every image that can be read and has proposals, one after the other. */
export async function* inferImages(
  context: RunContext & { readonly proposals: ProposalSource },
  label: string,
  entries: readonly LabelledImage[],
): AsyncGenerator<ImageDetections, void> {
  const { device, recipe, images } = context;
  const { nmsThreshold, detectionsPerImage } = recipe.test;
  const workingSize = insideSize(recipe.workingSize);
  const cim = await loadCim(context);
  const options = { nmsThreshold, limit: detectionsPerImage };
  const inferred = worked(context, label, entries, async (entry): Promise<ImageDetections | null> => {
    const image = await images.load(entry, workingSize);
    const proposals = image && (await context.proposals.load(entry, image));
    if (!proposals) return null;
    const passes = testPasses(recipe.test, Math.max(image.width, image.height));
    const scores = await scoreProposals(device, cim, image, proposals.network, passes);
    return {
      entry,
      size: image.original,
      proposals,
      scores,
      refinement: selectDetections(scores.refinement, proposals.boxes, options),
      antiNoise: selectDetections(scores.antiNoise, proposals.boxes, options),
    };
  });
  try {
    for await (const found of inferred) if (found) yield found;
  } finally {
    cim.parameters.dispose();
  }
}

/** COCO results of one image, from one of the two heads. */
export const cocoResults = (
  { classes }: Pick<RunContext, 'classes'>,
  found: ImageDetections,
  head: 'refinement' | 'antiNoise',
): CocoResult[] =>
  toCocoResults(
    found.entry.id,
    found[head],
    found.proposals.fileMask,
    classes.map(({ id }) => id),
  );
