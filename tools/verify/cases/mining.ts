import { type AntiNoise, type Mined, minePseudoLabels } from '@cim/model/mining/index';
import type { Device } from '@cim/runtime';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';
import { columnOf } from './losses.ts';

/** The draws that the original made, replayed; null where the case does not sample. */
export function recordedDraws(golden: Golden, suffix = ''): AntiNoise | null {
  const name = `in.draw_values${suffix}`;
  return golden.has(name) ? { draws: Int32Array.from(golden.data(name)) } : null;
}

async function check(device: Device, golden: Golden): Promise<Comparison[]> {
  const classThreshold = golden.option('cls_thr');
  const mined = minePseudoLabels(
    device,
    {
      cls: golden.tensor(device, 'in.predict_cls'),
      det: golden.tensor(device, 'in.predict_det'),
      labels: golden.tensor(device, 'in.labels'),
      iou: golden.tensor(device, 'in.iou_map'),
      containment: golden.tensor(device, 'in.asy_iou_map'),
    },
    {
      strategy: golden.option<boolean>('using_CIM') ? 'cim' : 'mist',
      seedFraction: golden.option('p_seed'),
      clsThreshold: classThreshold,
      nmsThreshold: golden.option('nms_thr', classThreshold),
      iouThreshold: golden.option('iou_thr'),
      containmentThreshold: golden.option('con_thr'),
      antiNoise: golden.option<boolean>('Anti_noise_sampling') ? recordedDraws(golden) : null,
    },
  );
  return [...(await seedComparisons(golden, mined)), ...(await labelComparisons(golden, mined))];
}

/** Which proposals were mined, before sampling. */
async function seedComparisons(golden: Golden, { count, seedLabels, seedWeights }: Mined): Promise<Comparison[]> {
  const labels = await seedLabels.read();
  const chosen = [...labels.keys()].filter((n) => labels[n] >= 0);
  const weights = await seedWeights.read();
  const columns = golden.shape('out.seed_gt_labels')[1];
  return [
    compare('num_gt', await count.read(), [golden.option('num_gt')], tolerances.exact),
    compare(
      'out.seed_gt_idxs',
      Uint8Array.from(labels, (label) => Number(label >= 0)),
      golden.data('out.seed_gt_idxs'),
      tolerances.exact,
    ),
    compare(
      'out.seed_gt_labels',
      chosen.map((n) => labels[n]),
      columnOf(golden.data('out.seed_gt_labels'), columns),
      tolerances.exact,
    ),
    compare(
      'out.seed_gt_weights',
      chosen.map((n) => weights[n]),
      golden.data('out.seed_gt_weights'),
      tolerances.weight,
    ),
  ];
}

/** What every proposal learns; absent where nothing was mined and the branch is skipped. */
async function labelComparisons(
  golden: Golden,
  { pseudoLabels, pseudoIou, lossWeights }: Mined,
): Promise<Comparison[]> {
  if (!golden.has('out.pseudo_labels')) return [];
  const columns = golden.shape('out.pseudo_labels')[1];
  const expected = columnOf(golden.data('out.pseudo_labels'), columns);
  return [
    compare('out.pseudo_labels', await pseudoLabels.read(), expected, tolerances.exact),
    compare('out.pseudo_iou_labels', await pseudoIou.read(), golden.data('out.pseudo_iou_labels'), tolerances.exact),
    compare('out.loss_weights', await lossWeights.read(), golden.data('out.loss_weights'), tolerances.weight),
  ];
}

/** cim_*, mist_*: CIM_layer. */
export const mining: CaseKind[] = [{ pattern: /^(cim|mist)_/, check }];
