/** Mask proposals of all images. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { LabelledImage } from '../datasets/dataset.ts';
import { insideSize } from '../images/size.ts';
import { CachedProposals } from '../proposals/cache.ts';
import { CobProposals } from '../proposals/cob.ts';
import { ProposalFiles } from '../proposals/made.ts';
import { ProposalThreads } from '../proposals/threads.ts';
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

/** Images that wait for a free thread, besides those in one: the GPU is ahead by as many. */
const QUEUED = 2;

/**
 * Makes the proposals that are missing, unless they come with the data set. The regions are found in threads, so that this
 * may run beside a training; then the bar stays hidden until it is shown.
 *
 * @returns the mean seconds that a thread took for an image; 0 when there was nothing to do.
 */
export async function proposeStage(
  context: Pick<RunContext, 'device' | 'recipe' | 'images' | 'report'>,
  entries: readonly LabelledImage[],
  { source }: CachedProposals,
  signal?: AbortSignal,
): Promise<number> {
  const { device, recipe, images } = context;
  if (!(source instanceof ProposalFiles)) return 0;
  const missing = entries.filter((entry) => !existsSync(source.pathOf(entry)));
  if (missing.length === 0) return 0;
  const size = insideSize(recipe.workingSize);
  // One core is the main thread's; where the GPU is the processor itself, so much is left that it does not starve.
  const count = Math.min(missing.length, Math.max(1, availableParallelism() - 1));
  const threads = new ProposalThreads(count);
  try {
    const make = async (entry: LabelledImage): Promise<void> => {
      const image = await images.load(entry, size);
      if (image) await source.make(device, entry, image, threads.regions);
    };
    for await (const _ of worked(context, 'Proposals', missing, make, count + QUEUED)) signal?.throwIfAborted();
    return threads.seconds / missing.length;
  } finally {
    await threads.close();
  }
}
