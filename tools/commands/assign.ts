import type { Command } from 'commander';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { addRunOptions } from '../cli/run-options.ts';

interface AssignOptions extends RunCommandOptions {
  readonly from?: string;
  readonly pickle?: string;
}

/** `cim assign`: cluster labels of the training images' proposals. */
export function register(program: Command): void {
  addRunOptions(program.command('assign'))
    .description(
      "label proposals from the classifier's peaks or from points (classifier and proposals are made if missing)",
    )
    .option('--from <file>', 'take the labels of the original program (label_assign/*.pkl) instead')
    .option('--pickle <file>', 'write them as the original program does, too')
    .action(async ({ from, pickle, ...options }: AssignOptions, command: Command) => {
      const { withRun } = await import('../cli/run-command.ts');
      const { exportLabels, importLabels } = await import('../pipeline/assign.ts');
      const { prepare } = await import('../pipeline/run.ts');
      await withRun(command, options, async (run) => {
        if (from === undefined) await prepare(run, run.train.images);
        else await importLabels(run, from);
        console.log(`Labels: ${run.folder.labels}`);
        if (pickle === undefined) return;
        await exportLabels(run, pickle);
        console.log(`As a pickle: ${pickle}`);
      });
    });
}
