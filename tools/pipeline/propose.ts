/** Mask proposals of all images. */
import { existsSync } from 'node:fs';
import type { LabelledImage } from '../datasets/dataset.ts';
import { insideSize } from '../images/size.ts';
import { CachedProposals } from '../proposals/cache.ts';
import { CobProposals } from '../proposals/cob.ts';
import { ProposalFiles } from '../proposals/made.ts';
import { type Reporter, type RunContext, worked } from './context.ts';

/** Where a run's proposals come from: files of the run, or of the data set's folder. @throws DataError when a file of the latter is damaged. */
export function openProposals(
  { folder, recipe, train }: Pick<RunContext, 'folder' | 'recipe' | 'train'>,
  report: Pick<Reporter, 'warn'>,
): CachedProposals {
  const { proposals } = recipe;
  return new CachedProposals(
    proposals.type === 'cob'
      ? new CobProposals(train.root, report)
      : new ProposalFiles(folder.proposals, proposals, report),
  );
}

/** Makes the proposals that are missing, unless they come with the data set. Returns the mean seconds an image took; 0 when there was nothing to do. */
export async function proposeStage(
  context: RunContext,
  entries: readonly LabelledImage[],
  { source }: CachedProposals,
): Promise<number> {
  const { device, recipe, images } = context;
  if (!(source instanceof ProposalFiles)) return 0;
  const missing = entries.filter((entry) => !existsSync(source.pathOf(entry)));
  const size = insideSize(recipe.workingSize);
  const begin = performance.now();
  const made = worked(context, 'Proposals', missing, async (entry) => {
    const image = await images.load(entry, size);
    if (image) await source.make(device, entry, image);
  });
  for await (const _ of made);
  return missing.length > 0 ? (performance.now() - begin) / 1000 / missing.length : 0;
}
