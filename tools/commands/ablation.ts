import type { Command } from 'commander';
import { parseCounts } from '../cli/options.ts';
import type { RunCommandOptions } from '../cli/run-command.ts';
import { VARIANTS, variantsOf } from '../pipeline/ablation-variants.ts';
import type { Run } from '../pipeline/run.ts';

interface AblationOptions extends Omit<RunCommandOptions, 'data'> {
  readonly data?: string;
  readonly seeds: readonly number[];
  readonly variants?: string;
}

/** Threshold of the average mask, where the user sets none. */
const AVERAGE_THRESHOLD = 0.6;

const KEY_WIDTH = Math.max(...VARIANTS.map(({ key }) => key.length));

const WHY = `
Variants:
${VARIANTS.map(({ key, name }) => `  ${key.padEnd(KEY_WIDTH)}  ${name}`).join('\n')}

The threshold of the average mask (labels.averageThreshold) is ${AVERAGE_THRESHOLD} here unless you set it. With the demo's own 0.45
the labels cover most of each object from the start, and MIST is nearly as good as CIM; with ${AVERAGE_THRESHOLD} they
lean towards its distinctive part, so that completing instances counts. A recipe file decides for itself.

Run the same command again to go on after an interruption: what is finished is read, not trained again.`;

/** `cim ablation`: the method and its variants over several seeds. */
export function register(program: Command): void {
  program
    .command('ablation')
    .description('train the method and its variants with several seeds: what does each part bring?')
    .option('--data <folder>', 'the data set, as for cim run; by default the demo data set, drawn into the run folder')
    .option('--out <folder>', 'where the runs keep their files', 'runs/ablation')
    .option('--seeds <numbers>', 'seeds of the training, separated by commas', parseCounts, [1, 2, 3])
    .option('--variants <names>', 'only these, separated by commas (see below)')
    .option(
      '--preset <name>',
      'the recipe: demo, demo-hrnet, short, small or a file; default demo, on SwiftShader short',
    )
    .option('--set <key=value...>', 'change single settings of the recipe', [])
    .option('--strict', 'stop at the first image that cannot be read', false)
    .addHelpText('after', WHY)
    .action(async (options: AblationOptions, command: Command) => {
      const { isPreset } = await import('../pipeline/recipe-options.ts');
      const { begun, withRun } = await import('../cli/run-command.ts');
      const { demoData } = await import('../pipeline/demo-data.ts');
      const { ablation, ablationPage } = await import('../pipeline/ablation.ts');
      const { ablationTable } = await import('../report/ablation-report.ts');
      const { terminalReporter } = await import('../cli/reporter.ts');
      const { out, preset, seeds } = options;
      const variants = options.variants === undefined ? VARIANTS : variantsOf(options.variants.split(','));
      const ownThreshold = preset === undefined ? begun(out) : !isPreset(preset);
      const set = ownThreshold ? options.set : [`labels.averageThreshold=${AVERAGE_THRESHOLD}`, ...options.set];
      const data = options.data ?? (await demoData(`${out}/data`, 1, terminalReporter)).folder;
      const work = async (run: Run): Promise<void> => {
        console.log(ablationTable(await ablation(run, variants, seeds)));
        console.log(`Report: ${ablationPage(run.folder)}`);
      };
      await withRun(command, { ...options, data, set }, work, 'demo');
    });
}
