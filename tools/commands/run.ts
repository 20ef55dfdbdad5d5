import type { Command } from 'commander';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { addRunOptions, previewOption } from '../cli/run-options.ts';

/** `cim run`: every stage on a user's own folder. */
export function register(program: Command): void {
  addRunOptions(program.command('run'))
    .description(
      'learn from images with image labels, find instances, evaluate, draw; goes on where it was interrupted',
    )
    .addOption(previewOption())
    .action(async (options: RunCommandOptions, command: Command) => {
      const { withRun } = await import('../cli/run-command.ts');
      const { runAll } = await import('../pipeline/run.ts');
      const { printSummary } = await import('../cli/summary.ts');
      await withRun(command, options, async (run) => printSummary(run.folder, await runAll(run)));
    });
}
