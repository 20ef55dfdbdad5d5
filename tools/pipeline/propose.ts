/** Mask proposals of all images, a file each. */
import { existsSync } from 'node:fs';
import type { LabelledImage } from '../datasets/dataset.ts';
import type { ProposalFiles } from '../proposals/made.ts';
import { forEach, type RunContext } from './context.ts';
import { insideSize, WorkingImages } from './working-images.ts';

/** Makes the proposals that are missing. Returns the mean seconds an image took; 0 when there was nothing to do. */
export async function proposeStage(
  context: RunContext,
  entries: readonly LabelledImage[],
  files: ProposalFiles,
): Promise<number> {
  const { device, recipe } = context;
  const missing = entries.filter((entry) => !existsSync(files.pathOf(entry)));
  const images = new WorkingImages(context, insideSize(recipe.workingSize));
  let seconds = 0;
  await forEach(context, 'Proposals', missing, async (entry) => {
    const image = await images.load(entry);
    if (!image) return;
    const begin = performance.now();
    await files.make(device, entry, image);
    seconds += (performance.now() - begin) / 1000;
  });
  return missing.length > 0 ? seconds / missing.length : 0;
}
