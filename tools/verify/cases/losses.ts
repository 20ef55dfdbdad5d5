import { clsIouLoss, lossWeightBagLoss, milBagLoss, pclLoss } from '@cim/model/loss/index';
import { type Device, Tape, type Tensor } from '@cim/runtime';
import type { CaseKind, Check } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';

/** A loss of one value: `record` returns it, gradients of `inputs` are compared. */
const scalarLoss =
  (inputs: readonly string[], record: (tape: Tape, get: (name: string) => Tensor, golden: Golden) => Tensor): Check =>
  async (device, golden) => {
    const tape = new Tape(device);
    const tensors = new Map(
      inputs.map((name) => [name, tape.keep(golden.tensor(device, `in.${name}`, { grad: true }))]),
    );
    const loss = record(tape, (name) => tensors.get(name) ?? golden.tensor(device, `in.${name}`), golden);
    tape.backward();
    const comparisons = [compare('out.loss', await loss.read(), golden.data('out.loss'), tolerances.operation)];
    for (const [name, tensor] of tensors) {
      const gradient = await tape.gradient(tensor)!.read();
      comparisons.push(compare(`grad.${name}`, gradient, golden.data(`grad.${name}`), tolerances.operationGradient));
    }
    return comparisons;
  };

/** One-hot rows [N, K] as column numbers; -1 where a row is empty. */
export function columnOf(rows: ArrayLike<number>, columns: number): Int32Array {
  const result = new Int32Array(rows.length / columns).fill(-1);
  for (let i = 0; i < rows.length; i++) if (rows[i] !== 0) result[Math.floor(i / columns)] = i % columns;
  return result;
}

/** Every partial gradient of cls_iou_loss is the gradient under its own choice of weights. */
async function checkClsIou(device: Device, golden: Golden): Promise<Comparison[]> {
  const [n, columns] = golden.shape('in.cls_score');
  const weights = { cls: golden.scalar('in.wcls'), iou: golden.scalar('in.wiou'), bag: golden.scalar('in.wbag') };
  const none = { cls: 0, iou: 0, bag: 0 };
  const variants = [
    { prefix: 'grad', weights },
    { prefix: 'grad_cls', weights: { ...none, cls: 1 } },
    { prefix: 'grad_iou', weights: { ...none, iou: 1 } },
    { prefix: 'grad_bag', weights: { ...none, bag: 1 } },
  ];
  const mined = {
    pseudoLabels: device.tensor(columnOf(golden.data('in.pseudo_labels'), columns)),
    pseudoIou: golden.tensor(device, 'in.pseudo_iou_labels').reshape([n]),
    lossWeights: golden.tensor(device, 'in.loss_weights').reshape([n]),
    count: device.tensor(Uint32Array.of(1)),
  };
  const labels = golden.tensor(device, 'in.labels').reshape([columns - 1]);
  const comparisons: Comparison[] = [];
  for (const { prefix, weights } of variants) {
    const tape = new Tape(device);
    const cls = tape.keep(golden.tensor(device, 'in.cls_score', { grad: true }));
    const iou = tape.keep(golden.tensor(device, 'in.iou_score', { grad: true }));
    const options = { lambda: 1, weights, useIou: !golden.option<boolean>('del_iou_branch') };
    const losses = await clsIouLoss(tape, { cls, iou, mined, labels }, options).read();
    tape.backward();
    if (prefix === 'grad') {
      ['cls_loss', 'iou_loss', 'bag_loss'].forEach((name, i) =>
        comparisons.push(compare(`out.${name}`, [losses[i]], golden.data(`out.${name}`), tolerances.operation)),
      );
    }
    for (const [name, tensor] of [
      ['cls_score', cls],
      ['iou_score', iou],
    ] as const) {
      const target = `${prefix}.${name}`;
      if (!golden.has(target)) continue;
      const gradient = await tape.gradient(tensor)!.read();
      comparisons.push(compare(target, gradient, golden.data(target), tolerances.operationGradient));
    }
  }
  return comparisons;
}

/** loss_*: the losses of lib/modeling/heads.py. */
export const losses: CaseKind[] = [
  { pattern: /^loss_cls_iou_/, check: checkClsIou },
  {
    pattern: /^loss_mil_bag_/,
    check: scalarLoss(['predict_cls', 'predict_det'], (tape, get) =>
      milBagLoss(tape, get('predict_cls'), get('predict_det'), get('labels').reshape([-1]), 1),
    ),
  },
  {
    pattern: /^loss_pcl_/,
    check: scalarLoss(['predict_cls'], (tape, get) => pclLoss(tape, get('predict_cls'), get('mat'), 1)),
  },
  {
    pattern: /^loss_weight_bag_/,
    check: scalarLoss(['predict'], (tape, get, golden) => {
      const [, columns] = golden.shape('in.predict');
      const pseudoLabels = tape.device.tensor(columnOf(golden.data('in.pseudo_labels'), columns));
      const labels = tape.device.tensor(Float32Array.from(golden.data('in.labels')).slice(1));
      return lossWeightBagLoss(tape, get('predict'), { pseudoLabels, lossWeights: get('loss_weight') }, labels, 1);
    }),
  },
];
