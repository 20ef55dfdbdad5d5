import type { Device } from '@cim/runtime';
import type { Command } from 'commander';
import { type GlobalOptions, parseCount, parseSize, parseWhole } from '../cli/options.ts';
import { ConfigError } from '../errors.ts';

interface Options {
  readonly filter: string[];
  readonly quick: boolean;
  readonly peers: boolean;
  readonly explain: boolean;
  readonly profile?: string;
  readonly json?: string;
  readonly html?: string;
}

interface MemoryOptions {
  readonly recipe: string;
  readonly size: readonly [height: number, width: number];
  readonly proposals: number;
  readonly classes: number;
  readonly recompute: boolean;
}

interface ScalingOptions {
  readonly recipe: string[];
  readonly rounds: number;
  readonly json?: string;
  readonly html?: string;
  readonly svg?: string;
}

/** `cim bench`, `cim bench memory` and `cim bench scaling`. */
export function register(program: Command): void {
  const command = program
    .command('bench')
    .description('measure the kernels that training spends its time in, and what the adapter can do at most')
    .option('--filter <names...>', 'only these: a shape (a), a kind (forward) or one item (a.forward)', [])
    .option('--quick', 'fewer repeats, and a tenth of the regions of interest', false)
    .option('--peers', 'compare with other WebGPU libraries and with PyTorch; installs them at first', false)
    .option('--explain', 'what limits each kernel that could run an item, also on other GPUs', false)
    .option('--profile <name>', 'with --explain: only this GPU')
    .option('--json <file>', 'write all figures to a file')
    .option('--html <file>', 'with --peers: write a page with charts')
    .action(async ({ peers, explain, profile, filter, quick, json, html }: Options, command: Command) => {
      if (peers) {
        const { benchPeers } = await import('../bench/compare/run.ts');
        await benchPeers(command.optsWithGlobals<GlobalOptions>().driver, { filter, quick, json, html });
        return;
      }
      if (explain) {
        const { explainItems } = await import('../bench/explain/run.ts');
        await explainItems(command.optsWithGlobals<GlobalOptions>(), { profile, filter, quick, json });
        return;
      }
      if (profile !== undefined) throw new ConfigError('--profile is a GPU that --explain looks at.', 'Add --explain.');
      if (html !== undefined) throw new ConfigError('--html is a page of the comparison.', 'Add --peers.');
      const { withDevice } = await import('../cli/with-device.ts');
      const { terminalReporter } = await import('../cli/reporter.ts');
      const { writeFileAtomic } = await import('../formats/atomic.ts');
      const { bench, FULL, QUICK } = await import('../bench/bench.ts');
      const { selectItems, standardItems } = await import('../bench/items.ts');
      const { LIMITS, ROOFLINE_SIZE } = await import('../bench/roofline.ts');
      const { measurementTable, rooflineLine } = await import('../bench/report.ts');
      const items = selectItems(standardItems({ quick }), filter);
      const work = async (device: Device): Promise<void> => {
        const options = quick ? QUICK : FULL;
        const cold = LIMITS + items.length;
        const line = terminalReporter.progress('Measuring', cold + options.samples[1]);
        const result = await bench(device, items, ROOFLINE_SIZE, options, {
          onCold: ({ id }) => line.advance(1, id),
          onRound: (spreading) => line.advance(1, `${spreading} not settled`),
        }).finally(() => line.stop());
        console.log(rooflineLine(result.roofline));
        console.log(measurementTable(result.items, result.roofline));
        console.log(`Times are ${result.timing}.`);
        if (json !== undefined) await writeFileAtomic(json, JSON.stringify(result, null, 2));
      };
      await withDevice(command.optsWithGlobals<GlobalOptions>(), work, { trace: true });
    });
  command
    .command('memory')
    .description('GPU memory of a training step against the least that the lifetimes of its tensors allow')
    .option('--recipe <name>', 'a preset, or a JSON or YAML file', 'demo')
    .option('--size <height×width>', 'of the image, pixels', parseSize, [128, 160])
    .option('--proposals <count>', 'proposals of the image', parseWhole, 64)
    .option('--classes <count>', 'classes without background', parseCount, 20)
    .option('--recompute', 'run parts of the backbone again in the backward pass, as training.recompute does', false)
    .action(async ({ size: [height, width], ...options }: MemoryOptions, command: Command) => {
      const { withDevice } = await import('../cli/with-device.ts');
      const { chooseRecipe } = await import('../pipeline/recipe-options.ts');
      const { measureStepMemory, memoryLines } = await import('../bench/memory.ts');
      const set = options.recompute ? ['training.recompute=true'] : [];
      const recipe = await chooseRecipe({ preset: options.recipe, set });
      await withDevice(command.optsWithGlobals<GlobalOptions>(), async (device) =>
        console.log(memoryLines(measureStepMemory(device, { ...options, recipe, height, width })).join('\n')),
      );
    });
  command
    .command('scaling')
    .description('time of a training step against the area of the image, the proposals and the channels')
    .option('--recipe <names...>', 'presets, or JSON or YAML files', ['demo', 'demo-hrnet'])
    .option('--rounds <count>', 'steps of each size that are timed', parseCount, 5)
    .option('--json <file>', 'write all figures to a file')
    .option('--html <file>', 'write a page with charts')
    .option('--svg <file>', 'write the charts as a picture')
    .action(async ({ recipe, rounds, svg }: ScalingOptions, command: Command) => {
      // `cim bench` has options of these names, and takes them.
      const { json, html, ...global } = command.optsWithGlobals<
        GlobalOptions & Pick<ScalingOptions, 'json' | 'html'>
      >();
      const { withDevice } = await import('../cli/with-device.ts');
      const { terminalReporter } = await import('../cli/reporter.ts');
      const { writeFileAtomic } = await import('../formats/atomic.ts');
      const { chooseRecipe } = await import('../pipeline/recipe-options.ts');
      const { scaling, scalingSteps } = await import('../bench/scaling/scaling.ts');
      const { scalingHtml, scalingSvg, scalingTable } = await import('../bench/scaling/report.ts');
      const recipes = await Promise.all(recipe.map((preset) => chooseRecipe({ preset, set: [] })));
      await withDevice(global, async (device) => {
        const line = terminalReporter.progress('Steps', scalingSteps(recipes, rounds));
        const result = await scaling(device, recipes, rounds, (what) => line.advance(1, what)).finally(() =>
          line.stop(),
        );
        console.log(scalingTable(result));
        if (json !== undefined) await writeFileAtomic(json, JSON.stringify(result, null, 2));
        if (html !== undefined) await writeFileAtomic(html, scalingHtml(result));
        if (svg !== undefined) await writeFileAtomic(svg, scalingSvg(result));
      });
    });
}
