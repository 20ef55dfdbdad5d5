/** Tunes all operations of a recipe ahead of its training. */
import { type Device, ReportedError } from '@cim/runtime';
import type { TunedEntry, TuningTable } from '@cim/runtime/tune/entry';
import { openTuner } from '@cim/runtime/tune/tuner';
import type { Winners } from '@cim/runtime/tune/winners';
import { writeFileAtomic } from '../formats/atomic.ts';
import type { FoundOperation } from './operations.ts';

/** What came of an operation. */
export interface TuneResult extends FoundOperation {
  readonly entry?: TunedEntry;
  /** Why there is none. */
  readonly failure?: ReportedError;
}

export interface TuneAheadOptions {
  /** Also what was tuned before. */
  readonly again: boolean;
  /** Seconds that a candidate may take to compile, run and be compared. */
  readonly trialSeconds: number;
  readonly onOperation: (result: TuneResult) => void;
}

/** Tunes, in their order, what is not tuned yet, and keeps the results. */
export async function tuneAhead(
  device: Device,
  winners: Winners,
  operations: readonly FoundOperation[],
  { again, trialSeconds, onOperation }: TuneAheadOptions,
): Promise<TuneResult[]> {
  const tuner = await openTuner(device, trialSeconds);
  const results: TuneResult[] = [];
  try {
    for (const found of operations) {
      const { operation } = found;
      const known = again ? undefined : winners.entry(operation);
      let result: TuneResult;
      try {
        const done = known !== undefined && winners.isComplete(known);
        const entry = done ? known : await tuner.tune(operation, known?.candidates);
        if (!done) winners.keep(operation, entry);
        result = { ...found, entry };
      } catch (failure) {
        if (!(failure instanceof ReportedError)) throw failure;
        result = { ...found, failure };
      }
      results.push(result);
      onOperation(result);
    }
  } finally {
    await tuner.close();
  }
  return results;
}

/** Writes the winners of this adapter as a table that can be shipped, a class a line. @throws OutputError */
export async function exportTable(winners: Winners, path: string): Promise<void> {
  const entries = [...winners.all()].flatMap(([key, { winner, ...entry }]) =>
    winner === null ? [] : [[key, { ...entry, winner, candidates: { [winner]: entry.candidates[winner] } }] as const],
  );
  const table: TuningTable = { format: 'cim-tuning', version: 1, environment: winners.environment, entries: {} };
  const lines = entries.map(([key, entry]) => `${JSON.stringify(key)}: ${JSON.stringify(entry)}`);
  const text = JSON.stringify(table, null, 2).replace('"entries": {}', `"entries": {\n${lines.join(',\n')}\n}`);
  await writeFileAtomic(path, `${text}\n`);
}
