import { type Plan, step } from '../plan.ts';
import { sumPartials } from './partials.ts';
import type { GemmEpilogue, GemmShape } from './shape.ts';
import { gemmTiled } from './tiled.ts';

/** Workgroups that keep a GPU busy; outputs with fewer tiles split k. */
const BUSY = 64;
const MIN_DEPTH = 64;

/** The matrix product C = op(A)·op(B) for a device with subgroups of `subgroupSize` lanes (0: none). Operands: a, b, bias, c. */
export function planGemm(shape: GemmShape, epilogue: GemmEpilogue, _subgroupSize: number): Plan {
  const tiles = Math.ceil(shape.m / 32) * Math.ceil(shape.n / 32);
  const wanted = Math.min(Math.ceil(BUSY / Math.max(1, tiles)), Math.ceil(shape.k / MIN_DEPTH));
  const depth = Math.max(1, Math.ceil(shape.k / Math.max(1, wanted)));
  const parts = Math.ceil(shape.k / depth);
  const operands = { a: 'a', b: 'b', bias: 'bias' };
  if (parts <= 1) return { steps: [step(gemmTiled(shape, epilogue), { ...operands, c: 'c' })], scratch: {} };
  const size = shape.m * shape.n;
  return {
    steps: [
      step(gemmTiled(shape, {}, depth), { ...operands, c: 'partial' }),
      step(sumPartials({ n: size, parts, channels: shape.n, ...epilogue }), { partial: 'partial', bias: 'bias', y: 'c' }),
    ],
    scratch: { partial: parts * size },
  };
}
