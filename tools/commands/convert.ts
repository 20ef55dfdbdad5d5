import { type Command, Option } from 'commander';
import type { GlobalOptions } from '../cli/options.ts';

interface ConvertOptions {
  readonly inspect: boolean;
  readonly preset?: string;
  readonly cfg?: string;
  readonly set: string[];
  readonly data?: string;
}

/** `cim convert`: between the original's files and ours. */
export function register(program: Command): void {
  program
    .command('convert <in> [out]')
    .description('a checkpoint, array or mask file in another format, by the endings of both names')
    .addHelpText(
      'after',
      `
Reads .pth, .safetensors, .pkl, .npy and .mat; writes .pth, .safetensors, .pkl and .json.
A run's checkpoint becomes the original's model_step*.pth. With --data, and --preset or --cfg, one of the original's
becomes the checkpoint of a run: write it to cim.safetensors in the run's folder.`,
    )
    .option('--inspect', 'only list what the file holds, and which network takes it', false)
    .addOption(
      new Option(
        '--preset <name>',
        'the recipe of the run, a preset or a file; with --inspect, load the weights into its network',
      ).conflicts('cfg'),
    )
    .option('--cfg <file>', 'a configuration of the original, in place of a preset')
    .option('--set <key=value...>', 'change single settings of the recipe; of a --cfg: KEY VALUE', [])
    .option('--data <folder>', "the run's data set, for its classes")
    .action(async (from: string, to: string | undefined, options: ConvertOptions, command: Command) => {
      const { convertCommand } = await import('../convert/command.ts');
      await convertCommand(from, to, options, command.optsWithGlobals<GlobalOptions>());
    });
}
