/**
 * Dropout of x [n] (Srivastava et al., JMLR 2014; torch.nn.functional.dropout): every element is zero with probability
 * `rate`, else divided by 1 − rate. Which ones depends on (seed, place) alone, so the gradient is the same operation on
 * the gradient and no mask is kept. CPU reference: dropout.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { philox } from './philox.ts';

const WORKGROUP = 64;

/**
 * y (+)= x, dropped out. Element i is dropped where number i of the seed's sequence, word i mod 4 of block ⌊i/4⌋, is
 * below
 * `rate`, which is in [0, 1).
 * Binds x and y [n].
 */
export function dropout({
  n,
  rate,
  seed,
  accumulate = false,
}: {
  n: number;
  rate: number;
  seed: number;
  accumulate?: boolean;
}): Kernel<'x' | 'y'> {
  return defineKernel({
    name: 'random.dropout',
    bindings: { x: read(), y: write() },
    uniforms: {
      n: u32(n),
      seed: u32(seed),
      rate: f32(rate),
      scale: f32(1 / (1 - rate)),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: linearGrid(n, WORKGROUP),
    flops: 2 * n,
    bytes: 8 * n,
    source: () => wgsl`${philox}
${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let number = uniform24(philox(u.seed, vec2u(i / 4u, 0u), 0u)[i % 4u]);
  y[i] = select(0.0, u.scale * x[i], number >= u.rate) + select(0.0, y[i], u.accumulate == 1u);
}`,
  });
}
