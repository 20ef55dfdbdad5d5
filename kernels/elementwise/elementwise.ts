/**
 * Elementwise operations on flat f32 arrays of n elements.
 *
 * - `fill`        y = value
 * - `axpy`        y = a·x + (accumulate ? y : 0): copies, scales and sums
 * - `add`         y = a + b, or max(0, a + b)
 * - `relu`        y = max(0, x); its gradient passes where the output was positive (PyTorch: 0 at 0)
 * - `sigmoid`     y = 1 / (1 + e^-x); gradient dy·y·(1 − y)
 * - `multiply`    y = a·b
 * - `smoothL1`    the Huber loss of a − b, with gradients to both
 *
 * Every gradient kernel can accumulate into its output, so that summing over uses costs no extra dispatch.
 * CPU references: elementwise.reference.ts.
 */
import { defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;

/**
 * y = value.
 * Binds y [n].
 */
export function fill({ n, value }: { n: number; value: number }): Kernel<'y'> {
  return defineKernel({
    name: 'elementwise.fill',
    bindings: { y: write() },
    uniforms: { n: u32(n), value: f32(value) },
    grid: linearGrid(n, WORKGROUP),
    bytes: 4 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i < u.n) { y[i] = u.value; }
}`,
  });
}

/**
 * y = a·x, or y += a·x.
 * Binds x and y [n].
 */
export function axpy({ n, a, accumulate = false }: { n: number; a: number; accumulate?: boolean }): Kernel<'x' | 'y'> {
  return defineKernel({
    name: 'elementwise.axpy',
    bindings: { x: read(), y: write() },
    uniforms: { n: u32(n), a: f32(a), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n, WORKGROUP),
    flops: 2 * n,
    bytes: 8 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i < u.n) { y[i] = u.a * x[i] + select(0.0, y[i], u.accumulate == 1u); }
}`,
  });
}

/**
 * y = a + b, through max(0, ·) when `relu`.
 * Binds a, b and y [n].
 */
export function add({ n, relu }: { n: number; relu: boolean }): Kernel<'a' | 'b' | 'y'> {
  return defineKernel({
    name: 'elementwise.add',
    constants: { relu },
    bindings: { a: read(), b: read(), y: write() },
    uniforms: { n: u32(n) },
    grid: linearGrid(n, WORKGROUP),
    flops: n,
    bytes: 12 * n,
    source: (c) => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
#if ${c.relu}
  y[i] = max(a[i] + b[i], 0.0);
#else
  y[i] = a[i] + b[i];
#endif
}`,
  });
}

/**
 * y = a·b.
 * Binds a, b and y [n].
 */
export function multiply({ n }: { n: number }): Kernel<'a' | 'b' | 'y'> {
  return defineKernel({
    name: 'elementwise.multiply',
    bindings: { a: read(), b: read(), y: write() },
    uniforms: { n: u32(n) },
    grid: linearGrid(n, WORKGROUP),
    flops: n,
    bytes: 12 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i < u.n) { y[i] = a[i] * b[i]; }
}`,
  });
}

/**
 * Gradient of {@link multiply} to one factor: da (+)= dy·b.
 * Binds dy, b and da [n].
 */
export function multiplyBackward({ n, accumulate }: { n: number; accumulate: boolean }): Kernel<'dy' | 'b' | 'da'> {
  return defineKernel({
    name: 'elementwise.multiplyBackward',
    bindings: { dy: read(), b: read(), da: write() },
    uniforms: { n: u32(n), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n, WORKGROUP),
    flops: n,
    bytes: 12 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i < u.n) { da[i] = dy[i] * b[i] + select(0.0, da[i], u.accumulate == 1u); }
}`,
  });
}

/** max(0, x), or 1 / (1 + e^-x). */
export type Activation = 'relu' | 'sigmoid';

/**
 * y = f(x), elementwise.
 * Binds x and y [n].
 */
export function activation({ n, kind }: { n: number; kind: Activation }): Kernel<'x' | 'y'> {
  return defineKernel({
    name: 'elementwise.activation',
    constants: { kind },
    bindings: { x: read(), y: write() },
    uniforms: { n: u32(n) },
    grid: linearGrid(n, WORKGROUP),
    flops: n * (kind === 'relu' ? 1 : 4),
    bytes: 8 * n,
    source: (c) => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
#if ${c.kind === 'relu'}
  y[i] = max(x[i], 0.0);
#else
  // e^-|x| never overflows.
  let e = exp(-abs(x[i]));
  y[i] = select(e, 1.0, x[i] >= 0.0) / (1.0 + e);
#endif
}`,
  });
}

/**
 * dx (+)= dy·f'(x), from the output y of {@link activation}.
 * Binds dy, y and dx [n].
 */
export function activationBackward({
  n,
  kind,
  accumulate,
}: {
  n: number;
  kind: Activation;
  accumulate: boolean;
}): Kernel<'dy' | 'y' | 'dx'> {
  return defineKernel({
    name: 'elementwise.activationBackward',
    constants: { kind },
    bindings: { dy: read(), y: read(), dx: write() },
    uniforms: { n: u32(n), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n, WORKGROUP),
    flops: 3 * n,
    bytes: 12 * n,
    source: (c) => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
#if ${c.kind === 'relu'}
  let g = select(0.0, dy[i], y[i] > 0.0);
#else
  let g = dy[i] * y[i] * (1.0 - y[i]);
#endif
  dx[i] = g + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}

/**
 * Smooth L1 with beta 1 (Girshick 2015): y = ½d² where |d| < 1, else |d| − ½; d = a − b.
 * Binds a, b and y [n].
 */
export function smoothL1({ n }: { n: number }): Kernel<'a' | 'b' | 'y'> {
  return defineKernel({
    name: 'elementwise.smoothL1',
    bindings: { a: read(), b: read(), y: write() },
    uniforms: { n: u32(n) },
    grid: linearGrid(n, WORKGROUP),
    flops: 4 * n,
    bytes: 12 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let d = abs(a[i] - b[i]);
  y[i] = select(d - 0.5, 0.5 * d * d, d < 1.0);
}`,
  });
}

/**
 * Gradient of {@link smoothL1}: dx (+)= sign·dy·clamp(a − b, −1, 1); sign is 1 for x = a and −1 for x = b.
 * Binds dy, a, b and dx [n].
 */
export function smoothL1Backward({
  n,
  sign,
  accumulate,
}: {
  n: number;
  sign: 1 | -1;
  accumulate: boolean;
}): Kernel<'dy' | 'a' | 'b' | 'dx'> {
  return defineKernel({
    name: 'elementwise.smoothL1Backward',
    bindings: { dy: read(), a: read(), b: read(), dx: write() },
    uniforms: { n: u32(n), sign: f32(sign), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(n, WORKGROUP),
    flops: 4 * n,
    bytes: 16 * n,
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n) { return; }
  let g = u.sign * dy[i] * clamp(a[i] - b[i], -1.0, 1.0);
  dx[i] = g + select(0.0, dx[i], u.accumulate == 1u);
}`,
  });
}
