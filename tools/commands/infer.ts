import type { Command } from 'commander';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { addRunOptions } from '../cli/run-options.ts';

/** `cim infer`: COCO results of one split with the trained network of a run. */
export function register(program: Command): void {
  addRunOptions(program.command('infer'))
    .description("find instances with a run's network; writes COCO results")
    .option('--split <name>', 'train or val', 'val')
    .option('--results <file>', "where to write; default: results-<split>.json in the run's folder")
    .action(async (options: RunCommandOptions & { split: string; results?: string }, command: Command) => {
      const { withRun } = await import('../cli/run-command.ts');
      const { inferSplit } = await import('../pipeline/run.ts');
      const { writeFileAtomic } = await import('../formats/atomic.ts');
      await withRun(command, options, async (run) => {
        const results = await inferSplit(run, options.split);
        const file = options.results ?? `${run.folder.root}/results-${options.split}.json`;
        await writeFileAtomic(file, JSON.stringify(results));
        console.log(`${results.length} detections: ${file}`);
      });
    });
}
