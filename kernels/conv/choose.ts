import { sumPartials } from '../gemm/partials.ts';
import { type Plan, step } from '../plan.ts';
import { convForwardDirect, convInputGradientDirect, convWeightGradientDirect } from './direct.ts';
import { type ConvShape, outputHeight } from './shape.ts';

/** Convolution for a device with subgroups of `subgroupSize` lanes (0: none). Operands: x, weight, bias, y. */
export function planConvForward(
  s: ConvShape,
  epilogue: { bias: boolean; relu: boolean },
  _subgroupSize: number,
): Plan {
  return { steps: [step(convForwardDirect(s, epilogue), { x: 'x', weight: 'weight', bias: 'bias', y: 'y' })], scratch: {} };
}

/** The gradient to x. Operands: dy, weight, dx. */
export function planConvInputGradient(s: ConvShape, accumulate: boolean, _subgroupSize: number): Plan {
  return { steps: [step(convInputGradientDirect(s, accumulate), { dy: 'dy', weight: 'weight', dx: 'dx' })], scratch: {} };
}

/** The gradient to weight. Operands: x, dy, dw. */
export function planConvWeightGradient(s: ConvShape, accumulate: boolean, _subgroupSize: number): Plan {
  const size = s.co * s.ci * s.kh * s.kw;
  const total = s.n * outputHeight(s);
  const wanted = Math.max(1, Math.min(total, Math.floor(4096 / size), 64));
  const rows = Math.max(1, Math.ceil(total / wanted));
  const parts = Math.max(1, Math.ceil(total / rows));
  if (parts === 1) {
    return { steps: [step(convWeightGradientDirect(s, { rows, accumulate }), { x: 'x', dy: 'dy', partial: 'dw' })], scratch: {} };
  }
  return {
    steps: [
      step(convWeightGradientDirect(s, { rows, accumulate: false }), { x: 'x', dy: 'dy', partial: 'partial' }),
      step(sumPartials({ n: size, parts, accumulate }), { partial: 'partial', bias: 'x', y: 'dw' }),
    ],
    scratch: { partial: parts * size },
  };
}
