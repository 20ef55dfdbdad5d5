/** Mask proposals of all images. */
import { existsSync } from 'node:fs';
import type { LabelledImage } from '../datasets/dataset.ts';
import { CobProposals } from '../proposals/cob.ts';
import { ProposalFiles } from '../proposals/made.ts';
import type { ProposalSource } from '../proposals/source.ts';
import { forEach, type Reporter, type RunContext } from './context.ts';
import { insideSize, WorkingImages } from './working-images.ts';

/** Where a run's proposals come from: files of the run, or of the data set's folder. @throws DataError when a file of the latter is damaged. */
export async function openProposals(
  { folder, recipe, train }: Pick<RunContext, 'folder' | 'recipe' | 'train'>,
  report: Pick<Reporter, 'warn'>,
): Promise<ProposalSource> {
  const { proposals } = recipe;
  if (proposals.type === 'cob') return new CobProposals(train.root, report);
  return new ProposalFiles(folder.proposals, proposals, report);
}

/** Makes the proposals that are missing, unless they come with the data set. Returns the mean seconds an image took; 0 when there was nothing to do. */
export async function proposeStage(
  context: RunContext,
  entries: readonly LabelledImage[],
  files: ProposalSource,
): Promise<number> {
  const { device, recipe } = context;
  if (!(files instanceof ProposalFiles)) return 0;
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
