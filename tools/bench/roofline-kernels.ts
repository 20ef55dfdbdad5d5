/** Kernels that do nothing but what an adapter's limits are measured by. */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '@cim/kernels/kernel';

const WORKGROUP = 64;
export type VectorType = 'f32' | 'vec4f';
const lanesOf = (type: VectorType): number => (type === 'f32' ? 1 : 4);
const total = (value: string, type: VectorType): string => (type === 'f32' ? value : `dot(${value}, vec4f(1.0))`);
const repeat = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** Multiply-adds of a chain from one test of the loop to the next: few enough for a decoder's cache. */
const STEPS = 8;

/** `chains` sums in registers that do not depend on each other, `rounds` × 8 multiply-adds each; y [invocations]. */
export function multiplyAddChains(options: {
  type: VectorType;
  chains: number;
  /** The built-in function, which some compilers make a call of, or a product and a sum, which some do not join. */
  form: 'fma' | 'sum';
  rounds: number;
  invocations: number;
}): Kernel<'y'> {
  const { type, chains, form, rounds, invocations } = options;
  const next = (x: string): string => (form === 'fma' ? `fma(${x}, factor, summand)` : `${x} * factor + summand`);
  return defineKernel({
    name: 'bench.multiplyAdd',
    // A loop whose end is known only at run time halves the rate on lavapipe.
    constants: { type, chains, form, rounds },
    bindings: { y: write() },
    // x ← x/2 + 1/4 stays near 1/2: no value is ever denormal, infinite or known to the compiler.
    uniforms: { count: u32(invocations), factor: f32(0.5), summand: f32(0.25) },
    grid: linearGrid(invocations, WORKGROUP),
    flops: 2 * invocations * chains * lanesOf(type) * rounds * STEPS,
    bytes: 4 * invocations,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.count) { return; }
  let factor = ${type}(u.factor);
  let summand = ${type}(u.summand);
${repeat(chains, (c) => `  var x${c} = ${type}(f32(i % 64u) + ${c}.0);`)}
  for (var round = 0u; round < ${rounds}u; round++) {
${repeat(STEPS * chains, (k) => `    x${k % chains} = ${next(`x${k % chains}`)};`)}
  }
  y[i] = ${Array.from({ length: chains }, (_, c) => total(`x${c}`, type)).join(' + ')};
}`,
  });
}

/** Elements that an invocation moves; neighbours move neighbouring ones. */
const EACH = 16;

const moving = (elements: number, type: VectorType) => {
  const invocations = Math.floor(elements / (lanesOf(type) * EACH));
  return {
    constants: { type },
    uniforms: { invocations: u32(invocations) },
    grid: linearGrid(invocations, WORKGROUP),
    bytes: 4 * invocations * lanesOf(type) * EACH,
  };
};

/** Reads `elements` values x once each, a multiple of 64; y [elements / 16]. */
export const loadAll = (elements: number, type: VectorType): Kernel<'x' | 'y'> =>
  defineKernel({
    ...moving(elements, type),
    name: 'bench.load',
    bindings: { x: read(type), y: write() },
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.invocations) { return; }
  var sum = ${type}();
${repeat(EACH, (k) => `  sum += x[i + ${k}u * u.invocations];`)}
  y[i] = ${total('sum', type)};
}`,
  });

/** Writes `elements` values y once each, a multiple of 64. */
export const storeAll = (elements: number, type: VectorType): Kernel<'y'> =>
  defineKernel({
    ...moving(elements, type),
    name: 'bench.store',
    bindings: { y: write(type) },
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.invocations) { return; }
${repeat(EACH, (k) => `  y[i + ${k}u * u.invocations] = ${type}(f32(i));`)}
}`,
  });

/** One workgroup that does next to nothing; y [64]. */
export const smallest = (): Kernel<'y'> =>
  defineKernel({
    name: 'bench.smallest',
    bindings: { y: write() },
    grid: [1, 1, 1],
    source: () => wgsl`${linearIndex(WORKGROUP)}
  y[i] = f32(i);
}`,
  });
