import { textTable } from '../cli/table.ts';
import type { TuneResult } from './tune.ts';

const milliseconds = (seconds: number | undefined): string =>
  seconds === undefined ? '-' : (1000 * seconds).toPrecision(3);

/** A row an operation, in the order given: what runs by estimate, what won, and how many times faster that is. */
export const tuneTable = (results: readonly TuneResult[]): string =>
  textTable(
    ['operation', 'calls', 'estimated best', 'ms', 'winner', 'ms', 'gain'],
    results.map(({ operation: { key }, calls, entry }) => {
      if (!entry) return [key, String(calls), '-', '-', 'not tuned', '-', '-'];
      const { heuristic, winner, candidates } = entry;
      const before = candidates[heuristic]?.seconds;
      const after = winner === null ? undefined : candidates[winner].seconds;
      const gain = before !== undefined && after !== undefined ? `${(before / after).toFixed(2)}×` : '-';
      const short = (name: string): string => name.slice(entry.family.length + 1);
      const won = winner === null ? 'none is right' : winner === heuristic ? 'the same' : short(winner);
      return [key, String(calls), short(heuristic), milliseconds(before), won, milliseconds(after), gain];
    }),
  );

/** What all calls take together, by estimate and tuned; then each candidate that is wrong or does not run. */
export function tuneSummary(results: readonly TuneResult[]): string[] {
  let [before, after] = [0, 0];
  const faults: string[] = [];
  for (const { operation, calls, entry, failure } of results) {
    if (failure) faults.push(`${operation.key}: not tuned: ${failure.message}`);
    if (!entry) continue;
    const { heuristic, winner, candidates } = entry;
    const [estimated, tuned] = [candidates[heuristic]?.seconds, candidates[winner ?? '']?.seconds];
    if (estimated !== undefined && tuned !== undefined) {
      before += calls * estimated;
      after += calls * tuned;
    }
    for (const [name, { status, message, seconds }] of Object.entries(candidates)) {
      if (status === 'timeout') faults.push(`${operation.key}: ${name} was not done after ${seconds} s`);
      if (status === 'wrong' || status === 'failed') faults.push(`${operation.key}: ${name} ${status}: ${message}`);
    }
  }
  const gain = after > 0 ? `, ${(before / after).toFixed(2)} times faster` : '';
  return [`All calls: ${before.toFixed(3)} s as estimated, ${after.toFixed(3)} s tuned${gain}`, ...faults];
}
