import { type Device, functional as F, Tape } from '@cim/runtime';
import { type CaseKind, operation } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';

async function checkPeakStimulation(device: Device, golden: Golden): Promise<Comparison[]> {
  const filter = golden.option<'median' | 'mean' | 'max' | 'none'>('peak_filter');
  const tape = new Tape(device);
  const x = tape.keep(golden.tensor(device, 'in.x', { grad: true }));
  const { aggregation, peakMap } = F.peakStimulation(tape, x, {
    window: golden.option('win_size'),
    filter: filter === 'none' ? null : filter,
  });
  const map = await peakMap.read();
  const output = compare(
    'out.aggregation',
    await aggregation.read(),
    golden.data('out.aggregation'),
    tolerances.operation,
  );
  tape.backward(aggregation, golden.tensor(device, 'in.gout'));
  const gradient = await tape.gradient(x)!.read();
  return [
    compare('out.peak_list', peakList(map, golden.shape('in.x')), golden.data('out.peak_list'), tolerances.exact),
    output,
    compare('grad.x', gradient, golden.data('grad.x'), tolerances.operationGradient),
  ];
}

/** Rows of batch, channel, row, column in lexicographic order. */
export function peakList(map: ArrayLike<number>, [, channels, height, width]: readonly number[]): number[] {
  const rows: number[] = [];
  for (let i = 0; i < map.length; i++) {
    if (map[i] === 0) continue;
    const channel = Math.floor(i / (height * width));
    rows.push(Math.floor(channel / channels), channel % channels, Math.floor(i / width) % height, i % width);
  }
  return rows;
}

/** peak_stimulation_*, pr_*: peaks and excitation back-propagation (lib/prm). */
export const peaks: CaseKind[] = [
  { pattern: /^peak_stimulation_/, check: checkPeakStimulation },
  {
    pattern: /^pr_conv2d_/,
    check: operation((tape, get, golden) =>
      F.peakConv2d(tape, get('in.x'), get('param.weight'), golden.has('param.bias') ? get('param.bias') : null, {
        stride: golden.option('stride'),
        padding: golden.option('padding'),
      }),
    ),
  },
  {
    // 0 conv3×3 s2 – 1 ReLU – 2 max pool 3×3 s2 – 3 conv3×3 – 4 BN – 5 ReLU – 6 conv1×1
    pattern: /^pr_stack/,
    check: operation((tape, get) => {
      let x = F.peakConv2d(tape, get('in.x'), get('param.0.weight'), get('param.0.bias'), { stride: 2, padding: 1 });
      x = F.maxPool2d(tape, F.relu(tape, x), { kernel: 3, stride: 2, padding: 1 });
      x = F.peakConv2d(tape, x, get('param.3.weight'), null, { padding: 1 });
      const state = {
        weight: get('param.4.weight'),
        bias: get('param.4.bias'),
        runningMean: get('param.4.running_mean'),
        runningVar: get('param.4.running_var'),
      };
      x = F.batchNorm(tape, x, state, { training: false, relu: true });
      return F.peakConv2d(tape, x, get('param.6.weight'), get('param.6.bias'));
    }),
  },
];
