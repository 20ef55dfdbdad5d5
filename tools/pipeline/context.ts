import type { Recipe } from '@cim/model/recipe/recipe';
import type { Device } from '@cim/runtime';
import type { Progress } from '../cli/progress.ts';
import type { Dataset, DatasetClass, LabelledDataset } from '../datasets/dataset.ts';
import type { RunFolder } from './run-folder.ts';
import type { WorkingImages } from './working-images.ts';

/** How stages talk to the person who runs them. */
export interface Reporter {
  progress(label: string, total: number): Progress;
  info(message: string): void;
  /** Something was left out; also kept for the summary. */
  warn(message: string): void;
}

/** What every stage of a run shares. */
export interface RunContext {
  readonly device: Device;
  readonly folder: RunFolder;
  readonly recipe: Recipe;
  readonly classes: readonly DatasetClass[];
  readonly train: LabelledDataset;
  /** With masks, for evaluation. */
  readonly val: Dataset;
  /** The first bad image is an error. */
  readonly strict: boolean;
  readonly report: Reporter;
  /** Decoded images, shared by all stages. */
  readonly images: WorkingImages;
}

/** How many items are worked on beyond the one whose result is used: then decoding, the GPU and the rest overlap. */
const AHEAD = 2;

/**
 * The results of `work` in the order of the items, under one progress bar. The work on some of the next items has begun
 * by then; it must not depend on its order.
 */
export async function* worked<T, R>(
  { report }: Pick<RunContext, 'report'>,
  label: string,
  items: readonly T[],
  work: (item: T) => Promise<R>,
  ahead = AHEAD,
): AsyncGenerator<R, void> {
  const bar = report.progress(label, items.length);
  const begun: Promise<R>[] = [];
  try {
    for (let next = 0; next < items.length || begun.length > 0; ) {
      while (next < items.length && begun.length <= ahead) {
        const result = work(items[next++]);
        // A failure surfaces when the result is asked for.
        result.catch(() => {});
        begun.push(result);
      }
      yield await begun.shift()!;
      bar.advance();
    }
  } finally {
    // Nothing goes on behind the back of who disposes what the work needs.
    await Promise.allSettled(begun);
    bar.stop();
  }
}

/** Runs `work` for every item, one after the other, under one progress bar. */
export async function forEach<T>(
  { report }: Pick<RunContext, 'report'>,
  label: string,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const bar = report.progress(label, items.length);
  try {
    for (const item of items) {
      await work(item);
      bar.advance();
    }
  } finally {
    bar.stop();
  }
}
