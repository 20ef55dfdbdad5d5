import { clsIouLoss, lossWeightBagLoss, milBagLoss, pclLoss } from '@cim/model/loss/index';
import { Tape, type Tensor } from '@cim/runtime';
import { expectClose, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Golden, golden } from '../golden.ts';

const test = suite('losses');
const device = await testDevice();

const GRADIENT = { relative: 1e-4, scaled: 2e-5 };

function upload(file: Golden, name: string): Tensor {
  const { data, shape } = file.tensor(name);
  return device.tensor(data, shape);
}

/** An input whose gradient can be read after the backward pass. */
function variable(tape: Tape, file: Golden, name: string): Tensor {
  const tensor = tape.keep(upload(file, name));
  tensor.requiresGrad = true;
  return tensor;
}

/** The column of each row's one; −1 for a row of zeros. */
function columnOfRows({ data, shape: [rows, columns] }: { data: ArrayLike<number>; shape: readonly number[] }): Int32Array {
  return Int32Array.from({ length: rows }, (_, row) => {
    for (let column = 0; column < columns; column++) if (data[row * columns + column] !== 0) return column;
    return -1;
  });
}

const scalar = (file: Golden, name: string): number => file.tensor(name).data[0];

for (const name of ['voc', 'coco', 'agnostic', 'del_branch', 'onefg', 'allbg', 'nobg', 'extreme']) {
  test(`refinement losses equal the golden: ${name}`, async () => {
    const file = golden(`loss_cls_iou_${name}`);
    const cases = [
      { weights: { cls: 1, iou: 0, bag: 0 }, prefix: 'grad_cls' },
      { weights: { cls: 0, iou: 1, bag: 0 }, prefix: 'grad_iou' },
      { weights: { cls: 0, iou: 0, bag: 1 }, prefix: 'grad_bag' },
      { weights: { cls: scalar(file, 'in.wcls'), iou: scalar(file, 'in.wiou'), bag: scalar(file, 'in.wbag') }, prefix: 'grad' },
    ];
    const mined = {
      pseudoLabels: device.tensor(columnOfRows(file.tensor('in.pseudo_labels'))),
      pseudoIou: upload(file, 'in.pseudo_iou_labels'),
      lossWeights: upload(file, 'in.loss_weights'),
      count: device.tensor([1], [1], 'u32'),
    };
    for (const { weights, prefix } of cases) {
      const tape = new Tape(device);
      const cls = variable(tape, file, 'in.cls_score');
      const iou = variable(tape, file, 'in.iou_score');
      const labels = device.tensor(file.tensor('in.labels').data);
      const useIou = !file.options.del_iou_branch;
      const losses = clsIouLoss(tape, { cls, iou, mined, labels }, { lambda: 1, weights, useIou });
      tape.backward();
      const expected = ['out.cls_loss', 'out.iou_loss', 'out.bag_loss'].map((loss) => scalar(file, loss));
      expectClose(await losses.read(), expected, { relative: 1e-4, scaled: 0 }, 'losses');
      for (const [tensor, input] of [[cls, 'cls_score'], [iou, 'iou_score']] as const) {
        // An absent golden gradient is none at all.
        const gradient = `${prefix}.${input}`;
        const values = file.has(gradient) ? file.tensor(gradient).data : new Float32Array(tensor.size);
        expectClose(await tape.gradient(tensor)!.read(), values, GRADIENT, gradient);
      }
    }
  });
}

for (const name of ['voc', 'nobg', 'ties']) {
  test(`weighted bag loss equals the golden: ${name}`, async () => {
    const file = golden(`loss_weight_bag_${name}`);
    const tape = new Tape(device);
    const scores = variable(tape, file, 'in.predict');
    const mined = {
      pseudoLabels: device.tensor(columnOfRows(file.tensor('in.pseudo_labels'))),
      lossWeights: upload(file, 'in.loss_weight'),
    };
    const labels = device.tensor(file.tensor('in.labels').data.slice(1));
    const loss = lossWeightBagLoss(tape, scores, mined, labels, 1);
    tape.backward();
    expectClose(await loss.read(), file.tensor('out.loss').data);
    expectClose(await tape.gradient(scores)!.read(), file.tensor('grad.predict').data, GRADIENT);
  });
}

for (const name of ['voc', 'coco', 'nobg', 'extreme']) {
  test(`multiple instance loss equals the golden: ${name}`, async () => {
    const file = golden(`loss_mil_bag_${name}`);
    const tape = new Tape(device);
    const [cls, det] = [variable(tape, file, 'in.predict_cls'), variable(tape, file, 'in.predict_det')];
    const loss = milBagLoss(tape, cls, det, device.tensor(file.tensor('in.labels').data), 1);
    tape.backward();
    expectClose(await loss.read(), file.tensor('out.loss').data);
    expectClose(await tape.gradient(cls)!.read(), file.tensor('grad.predict_cls').data, GRADIENT, 'cls');
    expectClose(await tape.gradient(det)!.read(), file.tensor('grad.predict_det').data, GRADIENT, 'det');
  });
}

for (const name of ['voc', 'nobg', 'coco', 'onlybg', 'extreme']) {
  test(`cluster loss equals the golden: ${name}`, async () => {
    const file = golden(`loss_pcl_${name}`);
    const tape = new Tape(device);
    const cls = variable(tape, file, 'in.predict_cls');
    const loss = pclLoss(tape, cls, upload(file, 'in.mat'), 1);
    tape.backward();
    expectClose(await loss.read(), file.tensor('out.loss').data);
    expectClose(await tape.gradient(cls)!.read(), file.tensor('grad.predict_cls').data, GRADIENT);
  });
}

test('losses of an inference tape leave nothing behind but their values', async () => {
  const file = golden('loss_pcl_voc');
  const [cls, clusters] = [upload(file, 'in.predict_cls'), upload(file, 'in.mat')];
  const before = device.memoryUse.live;
  const loss = pclLoss(new Tape(device, { recording: false }), cls, clusters, 1);
  expectClose(await loss.read(), file.tensor('out.loss').data);
  loss.dispose();
  assert.is(device.memoryUse.live, before);
});

test.run();
