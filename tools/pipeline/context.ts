import type { Recipe } from '@cim/model/recipe/recipe';
import type { Device } from '@cim/runtime';
import type { Progress } from '../cli/progress.ts';
import type { Dataset, DatasetClass, LabelledDataset } from '../datasets/dataset.ts';
import type { RunFolder } from './run-folder.ts';

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
}

/** The items one after the other, under one progress bar that advances as the next one is asked for. */
export function* progressed<T>(
  { report }: Pick<RunContext, 'report'>,
  label: string,
  items: readonly T[],
): Generator<T, void> {
  const bar = report.progress(label, items.length);
  try {
    for (const item of items) {
      yield item;
      bar.advance();
    }
  } finally {
    bar.stop();
  }
}

/** Runs `work` for every item under one progress bar. */
export async function forEach<T>(
  context: Pick<RunContext, 'report'>,
  label: string,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (const item of progressed(context, label, items)) await work(item);
}
