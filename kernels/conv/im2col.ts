/**
 * Convolution as a matrix product over unfolded images: columns [n, ci·kh·kw, ho·wo] hold what each output pixel sees, in
 * the order of the weight's elements. A 1×1 kernel of stride 1 without padding sees the image itself: nothing is unfolded.
 */
import { sumPartials } from '../gemm/partials.ts';
import { type GemmQuadsEpilogue, gemmQuads } from '../gemm/quads.ts';
import { packing, type QuadsChoice } from '../gemm/quads-tiles.ts';
import type { GemmBatch, GemmShape } from '../gemm/shape.ts';
import { defineKernel, i32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';
import { type Plan, step } from '../plan.ts';
import {
  type ConvEpilogue,
  type ConvShape,
  isPointwise,
  outputArea,
  outputHeight,
  outputWidth,
  taps,
} from './shape.ts';

const WORKGROUP = 64;

const depthOf = (s: ConvShape): number => s.ci * taps(s);

const uniforms = (s: ConvShape) => ({
  ci: u32(s.ci),
  h: u32(s.h),
  w: u32(s.w),
  ho: u32(outputHeight(s)),
  wo: u32(outputWidth(s)),
  kh: u32(s.kh),
  kw: u32(s.kw),
  stride: u32(s.stride),
  dilation: u32(s.dilation),
  padding: i32(s.padding),
});

/** columns[image, (c, ky, kx), (oy, ox)] = x at the pixel that the tap sees, zero outside: torch.nn.functional.unfold. */
function im2col(s: ConvShape): Kernel<'x' | 'columns'> {
  const pixels = s.n * s.ci * outputArea(s);
  return defineKernel({
    name: 'conv.im2col',
    bindings: { x: read(), columns: write() },
    uniforms: { ...uniforms(s), count: u32(pixels) },
    // An invocation for all taps of a pixel: divisions are slow on software GPUs.
    grid: linearGrid(pixels, WORKGROUP),
    bytes: 4 * (s.n * s.ci * s.h * s.w + pixels * taps(s)),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.count) { return; }
  let area = u.ho * u.wo;
  let pixel = i % area;
  let plane = i / area;
  let y0 = i32(pixel / u.wo * u.stride) - u.padding;
  let x0 = i32(pixel % u.wo * u.stride) - u.padding;
  var at = plane * u.kh * u.kw * area + pixel;
  for (var ky = 0u; ky < u.kh; ky++) {
    let y = y0 + i32(ky * u.dilation);
    let inY = y >= 0 && y < i32(u.h);
    let row = (plane * u.h + u32(y)) * u.w;
    for (var kx = 0u; kx < u.kw; kx++) {
      let x1 = x0 + i32(kx * u.dilation);
      columns[at] = select(0.0, x[row + u32(x1)], inY && x1 >= 0 && x1 < i32(u.w));
      at += area;
    }
  }
}`,
  });
}

/** dx (+)= Σ over the columns' elements that saw each pixel: torch.nn.functional.fold, the gradient of {@link im2col}. */
function col2im(s: ConvShape, accumulate: boolean): Kernel<'columns' | 'dx'> {
  const count = s.n * s.ci * s.h * s.w;
  return defineKernel({
    name: 'conv.col2im',
    bindings: { columns: read(), dx: write() },
    uniforms: { ...uniforms(s), count: u32(count), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(count, WORKGROUP),
    bytes: 4 * (count + s.n * depthOf(s) * outputArea(s)),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.count) { return; }
  let x = i32(i % u.w) + u.padding;
  let y = i32(i / u.w % u.h) + u.padding;
  let plane = i / (u.w * u.h);
  let stride = i32(u.stride);
  var sum = select(0.0, dx[i], u.accumulate == 1u);
  // The taps whose distance from the pixel is a multiple of the stride, where an output pixel lies at it.
  for (var ky = 0u; ky < u.kh; ky++) {
    let dy = y - i32(ky * u.dilation);
    if (dy < 0 || dy % stride != 0 || dy / stride >= i32(u.ho)) { continue; }
    for (var kx = 0u; kx < u.kw; kx++) {
      let dx0 = x - i32(kx * u.dilation);
      if (dx0 < 0 || dx0 % stride != 0 || dx0 / stride >= i32(u.wo)) { continue; }
      let row = (plane * u.kh + ky) * u.kw + kx;
      sum += columns[(row * u.ho + u32(dy / stride)) * u.wo + u32(dx0 / stride)];
    }
  }
  dx[i] = sum;
}`,
  });
}

/** The products of the three, an image each. */
export const columnsProduct = {
  forward: (s: ConvShape): { shape: GemmShape; batch: GemmBatch } => {
    const [m, n, k] = [s.co, outputArea(s), depthOf(s)];
    return { shape: { m, n, k }, batch: { count: s.n, strideA: 0, strideB: k * n } };
  },
  inputGradient: (s: ConvShape): { shape: GemmShape; batch: GemmBatch } => {
    const [m, n, k] = [depthOf(s), outputArea(s), s.co];
    return { shape: { m, n, k, transposeA: true }, batch: { count: s.n, strideA: 0, strideB: k * n } };
  },
  weightGradient: (s: ConvShape): { shape: GemmShape; batch: GemmBatch } => {
    const [m, n, k] = [s.co, depthOf(s), outputArea(s)];
    return { shape: { m, n, k, transposeB: true }, batch: { count: s.n, strideA: m * k, strideB: n * k } };
  },
};

/** Elements of the columns of a batch, which are a scratch tensor; none where nothing is unfolded. */
export const columnsSize = (s: ConvShape): number => (isPointwise(s) ? 0 : s.n * depthOf(s) * outputArea(s));

type Product = ReturnType<typeof columnsProduct.forward>;

/** The steps of a product of tensors `a` and `b` into `c`; `depth` as {@link gemmQuads} takes it. */
function product(
  { shape, batch }: Product,
  choice: QuadsChoice,
  { a, b, bias = a, residual = a, c }: Readonly<Record<'a' | 'b' | 'c', string> & { bias?: string; residual?: string }>,
  epilogue: GemmQuadsEpilogue = {},
  depth?: number,
): Plan {
  const { batch: of, operands, steps, scratch } = packing(shape, batch, choice, { a, b });
  const kernel = gemmQuads(shape, of, choice.tile, epilogue, depth, choice.packed);
  return { steps: [...steps, step(kernel, { ...operands, bias, residual, c })], scratch };
}

/** y = conv(x, weight) through the epilogue. Operands: x, weight, bias, residual, y. */
export function planColumnsForward(s: ConvShape, choice: QuadsChoice, { bias, ...epilogue }: ConvEpilogue): Plan {
  return unfolded(s, (columns) =>
    product(
      columnsProduct.forward(s),
      choice,
      { a: 'weight', b: columns, bias: 'bias', residual: 'residual', c: 'y' },
      { ...epilogue, bias: bias ? 'rows' : undefined },
    ),
  );
}

/** The gradient to x, or with `accumulate` added to it. Operands: dy, weight, dx. */
export function planColumnsInputGradient(s: ConvShape, choice: QuadsChoice, accumulate: boolean): Plan {
  const pointwise = isPointwise(s);
  const c = pointwise ? 'dx' : 'columns';
  const { steps, scratch } = product(
    columnsProduct.inputGradient(s),
    choice,
    { a: 'weight', b: 'dy', c },
    {
      accumulate: pointwise && accumulate,
    },
  );
  if (pointwise) return { steps, scratch };
  return {
    steps: [...steps, step(col2im(s, accumulate), { columns: 'columns', dx: 'dx' })],
    scratch: { ...scratch, columns: columnsSize(s) },
  };
}

/**
 * The gradient to weight, or with `accumulate` added to it, in at least `parts` sums over the pixels of an image.
 * Operands: x, dy, dw.
 */
export function planColumnsWeightGradient(s: ConvShape, choice: QuadsChoice, parts: number, accumulate: boolean): Plan {
  const of = columnsProduct.weightGradient(s);
  const depth = 4 * Math.ceil(of.shape.k / (4 * parts));
  const sums = s.n * Math.ceil(of.shape.k / depth);
  return unfolded(s, (columns) => {
    const operands = { a: 'dy', b: columns };
    if (sums === 1) return product(of, choice, { ...operands, c: 'dw' }, { accumulate }, depth);
    const { steps, scratch } = product(of, choice, { ...operands, c: 'partial' }, {}, depth);
    const size = of.shape.m * of.shape.n;
    return {
      steps: [
        ...steps,
        step(sumPartials({ n: size, parts: sums, accumulate }), { partial: 'partial', bias: 'x', y: 'dw' }),
      ],
      scratch: { ...scratch, partial: sums * size },
    };
  });
}

/** The plan that follows, on the columns of x. */
function unfolded(s: ConvShape, following: (columns: string) => Plan): Plan {
  if (isPointwise(s)) return following('x');
  const { steps, scratch } = following('columns');
  return {
    steps: [step(im2col(s), { x: 'x', columns: 'columns' }), ...steps],
    scratch: { ...scratch, columns: columnsSize(s) },
  };
}
