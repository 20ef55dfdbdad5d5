import type { Command } from 'commander';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { addRunOptions } from '../cli/run-options.ts';

/** `cim proposals`: mask proposals of both splits. */
export function register(program: Command): void {
  addRunOptions(program.command('proposals'))
    .description('make mask proposals of all images, a file each; existing ones are kept')
    .action(async (options: RunCommandOptions, command: Command) => {
      const { withRun } = await import('../cli/run-command.ts');
      const { proposalStage } = await import('../pipeline/run.ts');
      await withRun(command, options, async (run) => {
        const seconds = await proposalStage(run, [...run.train.images, ...run.val.images]);
        console.log(`Proposals: ${run.folder.proposals}${seconds > 0 ? `, ${seconds.toFixed(2)} s an image` : ''}`);
      });
    });
}
