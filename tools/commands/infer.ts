import type { Command } from 'commander';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { addRunOptions } from '../cli/run-options.ts';

interface InferOptions extends RunCommandOptions {
  readonly split: string;
  readonly results?: string;
  readonly pickle: boolean;
}

/** `cim infer`: the instances of one split, with the trained network of a run. */
export function register(program: Command): void {
  addRunOptions(program.command('infer'))
    .description("find instances with a run's network; writes COCO results and the scores of all proposals")
    .option('--split <name>', 'train, val, or test (images of COCO without annotations)', 'val')
    .option('--results <file>', "where the COCO results go; default: results-<split>.json in the run's folder")
    .option('--pickle', "write the scores as the original's detections.pkl (val) or discovery.pkl (train)", false)
    .action(async ({ results: resultsFile, ...options }: InferOptions, command: Command) => {
      const { withRun } = await import('../cli/run-command.ts');
      const { inferSplit } = await import('../pipeline/infer-split.ts');
      await withRun(command, options, async (run) => {
        const found = await inferSplit(run, options.split, { pickle: options.pickle, resultsFile });
        console.log(`${found.detections} detections: ${found.resultsFile}`);
        console.log(`Scores of all proposals: ${found.scoresFile}`);
      });
    });
}
