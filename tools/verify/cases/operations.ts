import { functional as F, Tape, type Tensor } from '@cim/runtime';
import { type CaseKind, operation } from '../case.ts';
import { compare, tolerances } from '../compare.ts';

const scaled = (tape: Tape, x: Tensor, factor: number): Tensor => (factor === 1 ? x : F.scale(tape, x, factor));

/** op_*: single layers of torch.nn.functional. */
export const operations: CaseKind[] = [
  {
    pattern: /^op_conv/,
    check: operation((tape, get, golden) =>
      F.conv2d(tape, get('in.x'), get('param.weight'), golden.has('param.bias') ? get('param.bias') : null, {
        stride: golden.option('stride'),
        padding: golden.option('padding'),
        dilation: golden.option('dilation'),
      }),
    ),
  },
  {
    pattern: /^op_linear/,
    check: operation((tape, get, golden) =>
      F.linear(tape, get('in.x'), get('param.weight'), golden.has('param.bias') ? get('param.bias') : null),
    ),
  },
  {
    pattern: /^op_maxpool/,
    check: operation((tape, get, golden) =>
      F.maxPool2d(tape, get('in.x'), {
        kernel: golden.option('kernel'),
        stride: golden.option('stride'),
        padding: golden.option('padding'),
      }),
    ),
  },
  {
    pattern: /^op_upsample_nearest/,
    check: operation((tape, get, golden) => F.upsampleNearest(tape, get('in.x'), golden.option('scale'))),
  },
  {
    pattern: /^op_upsample_bilinear/,
    check: operation((tape, get, golden) => {
      const [, , height, width] = golden.shape('out.y');
      return F.upsampleBilinear(tape, get('in.x'), [height, width], {
        alignCorners: golden.option<boolean>('align_corners'),
      });
    }),
  },
  {
    pattern: /^op_batchnorm/,
    check: operation((tape, get, golden) => {
      const training = !golden.has('param.running_mean');
      const [, channels] = golden.shape('in.x');
      return F.batchNorm(
        tape,
        get('in.x'),
        {
          weight: get('param.weight'),
          bias: get('param.bias'),
          runningMean: training ? tape.device.zeros([channels]) : get('param.running_mean'),
          runningVar: training ? tape.device.zeros([channels]) : get('param.running_var'),
        },
        { training, eps: golden.option('eps') },
      );
    }),
  },
  {
    pattern: /^op_softmax_dim1/,
    check: operation((tape, get, golden) =>
      F.softmax(tape, scaled(tape, get('in.x'), golden.option('pre_scale', 1)), 1),
    ),
  },
  {
    pattern: /^op_softmax_dim0/,
    check: operation((tape, get, golden) =>
      F.softmax(tape, scaled(tape, get('in.x'), golden.option('pre_scale', 1)), 0),
    ),
  },
  {
    pattern: /^op_sigmoid/,
    check: operation((tape, get, golden) => F.sigmoid(tape, scaled(tape, get('in.x'), golden.option('pre_scale', 1)))),
  },
  {
    pattern: /^op_smooth_l1/,
    check: operation((tape, get, golden) =>
      F.smoothL1(tape, scaled(tape, get('in.x'), golden.option('pre_scale', 1)), get('in.target')),
    ),
  },
  { pattern: /^op_relu/, check: operation((tape, get) => F.relu(tape, get('in.x'))) },
  { pattern: /^op_add_relu/, check: operation((tape, get) => F.addRelu(tape, get('in.x'), get('in.b'))) },
  {
    pattern: /^op_adaptive_avg_pool/,
    check: operation((tape, get, golden) => {
      const [, , height, width] = golden.shape('out.y');
      return F.adaptiveAvgPool2d(tape, get('in.x'), [height, width]);
    }),
  },
  {
    pattern: /^op_global_pad/,
    check: operation((tape, get, golden) =>
      F.padBottomRight(tape, get('in.x'), { bottom: golden.option('pad_bottom'), right: golden.option('pad_right') }),
    ),
  },
  {
    pattern: /^op_multilabel_soft_margin/,
    check: async (device, golden) => {
      const tape = new Tape(device);
      const x = tape.keep(golden.tensor(device, 'in.x', { grad: true }));
      const loss = F.multiLabelSoftMarginLoss(tape, x, golden.tensor(device, 'in.target'), 1);
      tape.backward();
      return [
        compare('out.loss', await loss.read(), golden.data('out.loss'), tolerances.operation),
        compare('grad.x', await tape.gradient(x)!.read(), golden.data('grad.x'), tolerances.operationGradient),
      ];
    },
  },
];
