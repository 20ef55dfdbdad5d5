import { proposalClusterLoss } from '@cim/model/loss/index';
import { type AntiNoise, type Mined, mineProposalClusters, minePseudoLabels } from '@cim/model/mining/index';
import { type Device, Tape } from '@cim/runtime';
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

/** OICR and PCL of pcl.pytorch, whose label of ignored proposals is 0, and the losses of what they find. */
async function checkClusters(device: Device, golden: Golden): Promise<Comparison[]> {
  const strategy = golden.option<'oicr' | 'pcl'>('strategy');
  const found = mineProposalClusters(
    device,
    {
      cls: golden.tensor(device, 'in.cls_prob'),
      det: null,
      labels: golden.tensor(device, 'in.labels'),
      iou: golden.tensor(device, 'in.iou_map'),
    },
    strategy,
  );
  const labels = (await found.pseudoLabels.read()).map((label) => Math.max(label, 0));
  const tape = new Tape(device);
  const cls = tape.keep(golden.tensor(device, 'in.refine_prob', { grad: true }));
  const loss = proposalClusterLoss(tape, cls, found, { lambda: 1, pooled: strategy === 'pcl', weight: 1 });
  tape.backward();
  const gradient = await tape.gradient(cls)!.read();
  const { exact, weight, operation, operationGradient } = tolerances;
  return [
    compare('out.labels', labels, golden.data('out.labels'), exact),
    compare('out.gt_assignment', await found.clusters.read(), golden.data('out.gt_assignment'), exact),
    compare('out.cls_loss_weights', await found.lossWeights.read(), golden.data('out.cls_loss_weights'), weight),
    compare('out.loss', await loss.read(), golden.data('out.loss'), operation),
    compare('grad.refine_prob', gradient, golden.data('grad.refine_prob'), operationGradient),
  ];
}

/** cim_*, mist_*: CIM_layer; oicr_*, pcl_*: what it is compared with. */
export const mining: CaseKind[] = [
  { pattern: /^(cim|mist)_/, check },
  { pattern: /^(oicr|pcl)_/, check: checkClusters },
];
