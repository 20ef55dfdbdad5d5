/** A small matrix product with candidates that misbehave, beside the real ones. */
import {
  type Candidate,
  defineKernel,
  type GemmEpilogue,
  type GemmShape,
  gemmOperation,
  type Operation,
  PORTABLE,
  read,
  wgsl,
  write,
} from '@cim/kernels';
import { type Plan, step } from '@cim/kernels/plan';

export const SHAPE: GemmShape = { m: 6, n: 5, k: 300 };

const planOf = (shape: GemmShape): Plan => [...gemmOperation(shape).candidates(PORTABLE)][0].plan({});

const kernelOf = (name: string, source: string, invocations?: number): Plan => {
  const kernel = defineKernel({
    name: `fake.${name}`,
    bindings: { a: read(), b: read(), c: write() },
    grid: [1, 1, 1],
    requires: { invocations },
    source: () => source,
  });
  return { steps: [step(kernel, { a: 'a', b: 'b', c: 'c' })], scratch: {} };
};

const NOTHING = wgsl`@compute @workgroup_size(1) fn main() { c[0] = a[0] * b[0]; }`;

/** Scratch tensors that are looked at when a plan is run, not before. */
const whenRun = (happens: () => never): Plan['scratch'] => new Proxy({}, { ownKeys: happens });

/** By name: what each of them plans. */
export const MISBEHAVING = {
  wrong: (): Plan => planOf({ ...SHAPE, k: SHAPE.k - 1 }),
  forgetful: (): Plan => planOf({ ...SHAPE, m: SHAPE.m - 1 }),
  slow: (): Plan => {
    const { steps, scratch } = planOf(SHAPE);
    return { steps: Array.from({ length: 400 }, () => steps).flat(), scratch };
  },
  unfit: (): Plan => kernelOf('unfit', NOTHING, 1e9),
  broken: (): Plan => kernelOf('broken', 'this is no WGSL'),
  crashing: (): Plan => ({ ...MISBEHAVING.slow(), scratch: whenRun(() => process.exit(3)) }),
  hanging: (): Plan => ({
    ...MISBEHAVING.slow(),
    scratch: whenRun(() => {
      for (;;);
    }),
  }),
};
export type Misbehaviour = keyof typeof MISBEHAVING;

/** The portable candidate first, then the misbehaving ones. */
export function fakeOperation(...names: Misbehaviour[]): Operation<GemmEpilogue> {
  const { id, key, flops, operands, output, factors, terms, plain } = gemmOperation(SHAPE);
  return {
    ...{ id, key, flops, operands, output, factors, terms, plain },
    family: 'gemm',
    shape: { ...SHAPE, names },
    candidates: (): Candidate<GemmEpilogue>[] => [
      { name: 'right', plan: () => planOf(SHAPE) },
      ...names.map((name) => ({ name, plan: MISBEHAVING[name] })),
    ],
  };
}
