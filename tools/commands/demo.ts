import type { Command } from 'commander';
import type { DataMaker, RunCommandOptions } from '../cli/run-command.ts';
import { previewOption } from '../cli/run-options.ts';
import { DEMO_DEFAULTS } from '../demo-data/defaults.ts';
import type { Run } from '../pipeline/run.ts';

interface DemoOptions extends Omit<RunCommandOptions, 'data'> {
  readonly seed: number;
}

/** `cim demo`: the whole way on a data set of its own making. */
export function register(program: Command): void {
  program
    .command('demo')
    .description('draw a data set, learn its objects from image labels only, and report')
    .option('--out <folder>', 'where the run keeps its files', DEMO_DEFAULTS.out)
    .option('--seed <number>', 'seed of the data set', Number, DEMO_DEFAULTS.seed)
    .option(
      '--preset <name>',
      'the recipe: demo, demo-hrnet, short, small or a file; default demo, on SwiftShader short',
    )
    .option('--set <key=value...>', 'change single settings of the recipe', [])
    .addOption(previewOption())
    .option('--strict', 'stop at the first image that cannot be read', false)
    .action(async (options: DemoOptions, command: Command) => {
      const { withRun } = await import('../cli/run-command.ts');
      const { demoData } = await import('../pipeline/demo-data.ts');
      const { runAll } = await import('../pipeline/run.ts');
      const { printSummary } = await import('../cli/summary.ts');
      const { terminalReporter } = await import('../cli/reporter.ts');
      const { warmUpDemo } = await import('../pipeline/warm-up.ts');
      let before = {};
      const data: DataMaker = async (device, recipe) => {
        void warmUpDemo(device, recipe); // the GPU has nothing else to do
        const { folder, seconds } = await demoData(`${options.out}/data`, options.seed, terminalReporter);
        before = { data: seconds };
        return folder;
      };
      const work = async (run: Run): Promise<void> => printSummary(run.folder, await runAll(run, before));
      await withRun(command, { ...options, data }, work, 'demo');
    });
}
