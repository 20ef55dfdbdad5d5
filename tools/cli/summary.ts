import type { RunFolder } from '../pipeline/run-folder.ts';
import type { RunSummary } from '../pipeline/summary.ts';
import { summaryTable } from '../report/table.ts';

/** The end of a run: the table, and where everything is. */
export function printSummary(folder: RunFolder, summary: RunSummary): void {
  console.log(summaryTable(summary));
  for (const [what, path] of [
    ['Report', folder.report],
    ['Results', folder.results],
    ['Pseudo labels', folder.pseudoLabels],
    ['Overlays', folder.overlays],
    ['Summary', folder.summary],
  ]) {
    console.log(`${what}: ${path}`);
  }
}
