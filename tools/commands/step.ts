import type { Command } from 'commander';
import { type GlobalOptions, parseCount, parseSize } from '../cli/options.ts';

interface Options {
  readonly recipe: string;
  readonly size: readonly [height: number, width: number];
  readonly proposals: number;
  readonly classes: number;
  readonly weights: string;
  readonly steps: number;
}

/** `cim step`: exit code 1 when a loss is not finite. */
export function register(program: Command): void {
  program
    .command('step')
    .description(
      "train a recipe's network for a step on a made-up image: what it takes of time and memory; " +
        '--trace adds a step, the traced one, that begins before the last one is done as in a training',
    )
    .requiredOption('--recipe <name>', 'a preset, or a JSON or YAML file')
    .option('--size <height×width>', 'of the image, pixels', parseSize, [128, 160])
    .option('--proposals <count>', 'proposals of the image', parseCount, 8)
    .option('--classes <count>', 'classes without background', parseCount, 20)
    .option(
      '--weights <source>',
      'random, deterministic (a formula instead of a file), or a file of published weights',
      'random',
    )
    .option('--steps <count>', 'steps to train', parseCount, 1)
    .action(async ({ size: [height, width], ...options }: Options, command: Command) => {
      const { withDevice } = await import('../cli/with-device.ts');
      const { chooseRecipe } = await import('../pipeline/recipe-options.ts');
      const { trainSteps } = await import('../step/step.ts');
      const { networkLines, stepLines } = await import('../step/print.ts');
      const recipe = await chooseRecipe({ preset: options.recipe, set: [] });
      await withDevice(command.optsWithGlobals<GlobalOptions>(), (device) =>
        trainSteps(
          device,
          { ...options, recipe, height, width },
          {
            onNetwork: (size) => console.log(networkLines(recipe.name, size).join('\n')),
            onStep: (report) => {
              console.log(stepLines(report).join('\n'));
              if (!Object.values(report.losses).every(Number.isFinite)) process.exitCode = 1;
            },
          },
        ),
      );
    });
}
