import type { Command } from 'commander';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { addRunOptions } from '../cli/run-options.ts';

/** `cim assign`: cluster labels of the training images' proposals. */
export function register(program: Command): void {
  addRunOptions(program.command('assign'))
    .description("label proposals from the classifier's peaks (classifier and proposals are made if missing)")
    .action(async (options: RunCommandOptions, command: Command) => {
      const { withRun } = await import('../cli/run-command.ts');
      const { prepare } = await import('../pipeline/run.ts');
      await withRun(command, options, async (run) => {
        await prepare(run, run.train.images);
        console.log(`Labels: ${run.folder.labels}`);
      });
    });
}
