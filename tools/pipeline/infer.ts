/** Scores proposals with the trained network and selects detections. */

import { toCocoResults } from '@cim/model/detect/select-detections';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { detectInstances, type ImageInstances } from '@cim/model/infer/detect-instances';
import type { ImageProposals } from '@cim/model/infer/image-proposals';
import type { LabelledImage } from '../datasets/dataset.ts';
import { insideSize } from '../images/size.ts';
import type { ProposalSource } from '../proposals/source.ts';
import { type RunContext, worked } from './context.ts';
import { loadCim } from './train.ts';

/** What inference found in one image. */
export interface ImageDetections extends ImageInstances {
  readonly entry: LabelledImage;
  /** Of the file, pixels. */
  readonly size: { readonly width: number; readonly height: number };
  readonly proposals: ImageProposals;
}

/** The detections of every image that can be read and has proposals, one after the other. */
export async function* inferImages(
  context: RunContext & { readonly proposals: ProposalSource },
  label: string,
  entries: readonly LabelledImage[],
): AsyncGenerator<ImageDetections, void> {
  const { device, recipe, images } = context;
  const workingSize = insideSize(recipe.workingSize);
  const cim = await loadCim(context);
  const inferred = worked(context, label, entries, async (entry): Promise<ImageDetections | null> => {
    const image = await images.load(entry, workingSize);
    const proposals = image && (await context.proposals.load(entry, image));
    if (!proposals) return null;
    const found = await detectInstances(device, cim, image, proposals, recipe.test);
    return { entry, size: image.original, proposals, ...found };
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
