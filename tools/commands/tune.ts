import type { Command } from 'commander';
import { type GlobalOptions, parseCount, parsePositive, parseSize, parseWhole } from '../cli/options.ts';

interface Options {
  readonly recipe: string;
  readonly set: string[];
  readonly size: readonly [height: number, width: number];
  readonly proposals: number;
  readonly classes: number;
  readonly trialSeconds: number;
  readonly again: boolean;
  readonly export?: string;
}

/** `cim tune`: exit code 1 when a candidate is wrong. */
export function register(program: Command): void {
  program
    .command('tune')
    .description("find the fastest kernels for a recipe's shapes on this adapter; runs use them from then on")
    .option('--recipe <name>', 'a preset, or a JSON or YAML file', 'demo')
    .option('--set <key=value...>', 'change single settings of the recipe, as training.imagesPerPass=2', [])
    .option('--size <height×width>', 'of the images, pixels', parseSize, [128, 160])
    .option('--proposals <count>', 'proposals of an image', parseWhole, 64)
    .option('--classes <count>', 'classes without background', parseCount, 20)
    .option('--trial-seconds <count>', 'that a kernel may take to compile and run once', parsePositive, 20)
    .option('--again', 'tune anew what was tuned before', false)
    .option('--export <file>', 'write all results of this adapter as a table that can be shipped')
    .action(async (options: Options, command: Command) => {
      const { withDevice } = await import('../cli/with-device.ts');
      const { terminalReporter } = await import('../cli/reporter.ts');
      const { chooseRecipe } = await import('../pipeline/recipe-options.ts');
      const { operationsOf } = await import('../tune/operations.ts');
      const { exportTable, tuneAhead } = await import('../tune/tune.ts');
      const { tuneSummary, tuneTable } = await import('../tune/print.ts');
      const { openWinners } = await import('@cim/runtime/tune/open');
      const { size, proposals, classes, trialSeconds, again } = options;
      const recipe = await chooseRecipe({ preset: options.recipe, set: options.set });
      await withDevice(command.optsWithGlobals<GlobalOptions>(), async (device) => {
        const [height, width] = size;
        const operations = operationsOf(device, { recipe, height, width, proposals, classes });
        const winners =
          device.variants.winners ?? (await openWinners(device, ({ message }) => terminalReporter.warn(message)));
        const bar = terminalReporter.progress('Tuning', operations.length);
        const onOperation = (): void => bar.advance();
        const results = await tuneAhead(device, winners, operations, { again, trialSeconds, onOperation }).finally(() =>
          bar.stop(),
        );
        console.log(tuneTable(results));
        console.log(tuneSummary(results).join('\n'));
        if (options.export !== undefined) await exportTable(winners, options.export);
        const wrong = results.some(({ entry }) =>
          Object.values(entry?.candidates ?? {}).some(({ status }) => status === 'wrong'),
        );
        if (wrong) process.exitCode = 1;
      });
    });
}
