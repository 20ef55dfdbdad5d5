import { Cim } from '@cim/model/cim';
import { scoreProposals } from '@cim/model/infer/score-proposals';
import { testPasses } from '@cim/model/infer/test-passes';
import { packMasks } from '@cim/model/masks/index';
import { presets } from '@cim/model/recipe/presets';
import { type HostProposals, IMAGE_MEAN, IMAGE_STD, uploadRegions } from '@cim/model/train/sample';
import { type Device, functional as F, Generator } from '@cim/runtime';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, compareExactly, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';
import { compareInput, resizedLevels, sourceImage } from './images.ts';
import { hrnetConfigOf } from './networks.ts';

/** Test-time augmentation of one image: what every pass puts into the network and gets from it, and the mean. */
async function checkAugmentation(device: Device, golden: Golden): Promise<Comparison[]> {
  const { cim: config } = presets.small;
  const cim = new Cim(
    device,
    {
      ...config,
      classes: golden.option('num_classes'),
      backbone: hrnetConfigOf(golden),
      region: { ...config.region, channels: golden.option('final_channels'), hidden: golden.option('hidden_dim') },
    },
    new Generator(0),
  );
  await golden.load(cim.parameters);
  const source = sourceImage(golden);
  const image = { ...source, name: golden.name };
  const { width, height, rgb } = source;
  const count = golden.shape('in.boxes')[0];
  const proposals: HostProposals = {
    masks: packMasks(new Uint8Array(count * width * height), count, width, height), // only training looks at them
    boxes: golden.data('in.boxes'),
    regionMasks: golden.data('in.masks'),
  };
  const scales = [golden.option('TEST_SCALE'), ...golden.option<number[]>('BBOX_AUG_SCALES')];
  const passes = testPasses({ scales, unit: 'pixels', flip: golden.option<boolean>('SCALE_H_FLIP') }, NaN);
  const names = passes.map(({ size, flip }) => (flip ? `flip@${size}` : `${size}`));
  const comparisons = [compareExactly('aug_order', names, golden.option<string[]>('aug_order'))];
  for (const [k, pass] of passes.entries()) {
    const { size, flip } = pass;
    const scale = size / Math.max(width, height);
    const { rois, masks } = uploadRegions(device, [{ proposals, flip, width, scale }]);
    const name = `out.aug${k}`;
    comparisons.push(compare(`${name}.rois`, await rois.read(), golden.data(`${name}.rois`), tolerances.operation));
    for (const tensor of [rois, masks]) tensor.dispose();
    if (golden.has(`${name}.data`)) {
      const shape = { width, height, targetSize: size, mean: IMAGE_MEAN, std: IMAGE_STD };
      const input = F.prepareImage(device, rgb, { ...shape, flip });
      const levels = resizedLevels(flip ? mirrored(rgb, width) : rgb, width, height, size);
      comparisons.push(compareInput(`${name}.data`, await input.read(), golden, levels));
      input.dispose();
    }
    const { refinement } = await scoreProposals(device, cim, image, proposals, [pass]);
    comparisons.push(compare(`${name}.scores`, refinement, golden.data(`${name}.scores`), tolerances.network));
  }
  const { refinement } = await scoreProposals(device, cim, image, proposals, passes);
  cim.parameters.dispose();
  return [...comparisons, compare('out.scores', refinement, golden.data('out.scores'), tolerances.network)];
}

/** Every row of an RGB image backwards. */
const mirrored = (rgb: Uint8Array, width: number): Uint8Array =>
  rgb.map((_, i) => {
    const pixel = Math.floor(i / 3);
    const column = pixel % width;
    return rgb[3 * (pixel - column + (width - 1 - column)) + (i % 3)];
  });

/** e2e_test_*: the network at test time, augmented. */
export const testing: CaseKind[] = [{ pattern: /^e2e_test_/, check: checkAugmentation }];
