/** Operands rounded to f16, for kernels whose {@link Target.f16} allows them. */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;

/** Words of f32 that n numbers of f16 take, whole vectors of four. */
export const halfWords = (n: number): number => Math.ceil(n / 4) * 2;

/** y = x as f16, to nearest; beyond ±65504 infinite. */
export const toHalf = (n: number): Kernel<'x' | 'y'> =>
  defineKernel({
    name: 'gemm.toHalf',
    bindings: { x: read('vec4f'), y: write('vec4h') },
    uniforms: { quads: u32(Math.ceil(n / 4)) },
    grid: linearGrid(Math.ceil(n / 4), WORKGROUP),
    requires: { features: ['shader-f16'] },
    bytes: 6 * n,
    source: () => wgsl`
enable f16;
${linearIndex(WORKGROUP)}
  if (i >= u.quads) { return; }
  y[i] = vec4h(x[i]);
}`,
  });
