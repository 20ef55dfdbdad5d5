/** What runs in a thread of {@link ProposalThreads}. */
import { parentPort } from 'node:worker_threads';
import { type ProposalOptions, type Proposals, proposeRegions } from '@cim/model/proposals/proposals';
import type { PixelMaps } from '@cim/model/proposals/superpixels';

/** A job, and its answer with the seconds it took. */
export interface ProposalJob {
  readonly maps: PixelMaps;
  readonly options: ProposalOptions;
}
export type ProposalAnswer = { readonly proposals: Proposals; readonly seconds: number } | { readonly error: unknown };

parentPort!.on('message', ({ maps, options }: ProposalJob) => {
  parentPort!.postMessage(answer(maps, options));
});

function answer(maps: PixelMaps, options: ProposalOptions): ProposalAnswer {
  const begin = performance.now();
  try {
    const proposals = proposeRegions(maps, options);
    return { proposals, seconds: (performance.now() - begin) / 1000 };
  } catch (error) {
    return { error };
  }
}
