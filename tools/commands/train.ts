import type { Command } from 'commander';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { addRunOptions, previewOption } from '../cli/run-options.ts';

/** `cim train`: classifier, proposals, labels and the network; no inference. */
export function register(program: Command): void {
  addRunOptions(program.command('train'))
    .description('train: classifier, proposals, labels, then the network; what is done is not done again')
    .option('--resume', 'go on from the checkpoints in the folder', false)
    .addOption(previewOption())
    .action(async (options: RunCommandOptions & { resume: boolean }, command: Command) => {
      const { withRun } = await import('../cli/run-command.ts');
      const { prepareAndTrain, refuseBegun } = await import('../pipeline/run.ts');
      if (!options.resume) refuseBegun(options.out);
      await withRun(command, options, async (run) => {
        await prepareAndTrain(run, run.train.images);
        console.log(`Weights: ${run.folder.cim}`);
      });
    });
}
