/**
 * Convolution as a matrix product in workgroup memory, for hardware GPUs: the matrix of patches exists only in the tiles
 * that workgroups gather. Pixels of a whole batch are one dimension, so small images share tiles. Any kernel size,
 * stride, padding and dilation; products in registers or in subgroup matrices, operands as they are or as f16.
 *
 *                    rows   columns         k
 *   forward          co     n·ho·wo         ci·kh·kw
 *   input gradient   ci     n·h·w           co·kh·kw, in stride² phases: pixels that meet the same taps
 *   weight gradient  co     ci·kh·kw        n·ho·wo, in parts that `gemm.sumPartials` adds
 */
import type { Candidate } from '../candidate.ts';
import { BLOCK_NAMES, type Block, blockGrid, type Loader, rankBlocks, scalarType, vectorType } from '../gemm/block.ts';
import { halved, matrixLoader, matrixStore, RANGE, transposed, vectorOf } from '../gemm/blocked.ts';
import { sumPartials } from '../gemm/partials.ts';
import { defineKernel, type Kernel, read, type Scalar, u32, write } from '../kernel.ts';
import { step } from '../plan.ts';
import type { Target } from '../target.ts';
import { epilogueUniforms } from './pass.ts';
import {
  type ConvEpilogue,
  type ConvShape,
  convBytes,
  convFlops,
  isPointwise,
  outputArea,
  outputHeight,
  outputWidth,
  taps,
} from './shape.ts';

const multipleOf4 = (n: number): boolean => n % 4 === 0;

interface Constants extends Record<string, number | boolean> {
  readonly kh: number;
  readonly kw: number;
  readonly stride: number;
  readonly dilation: number;
  /** No tap lies outside. */
  readonly inside: boolean;
  /** Vectors in weight, in images that are read, in the result. */
  readonly weightVectors: boolean;
  readonly imageVectors: boolean;
  readonly resultVectors: boolean;
}

type Vectors = Pick<Constants, 'weightVectors' | 'imageVectors' | 'resultVectors'>;
const constantsOf = ({ kh, kw, stride, dilation, padding }: ConvShape, vectors: Vectors): Constants => ({
  kh,
  kw,
  stride,
  dilation,
  inside: padding === 0,
  ...vectors,
});

const sizes = (s: ConvShape): Record<string, Scalar> => ({
  ci: u32(s.ci),
  h: u32(s.h),
  w: u32(s.w),
  co: u32(s.co),
  ho: u32(outputHeight(s)),
  wo: u32(outputWidth(s)),
  padding: u32(s.padding),
});

const elements = (vectors: boolean, half: boolean) => (vectors ? vectorType(half) : scalarType(half));
const quad = (line: (i: number) => string): string => [0, 1, 2, 3].map(line).join('\n  ');

/**
 * The four pixels from `at` on, as wrapping u32: where in `image` the first channel of the pixel under tap 0 lies, and its
 * row and column; `pixel` are statements that declare `plane` (the image), `row` and `column` of pixel `p`.
 */
const pixels = (at: string, planes: string, width: string, pixel: string): string =>
  quad(
    (i) => `var row${i}: u32; var column${i}: u32; var base${i}: u32;
  { let p = ${at} + ${i}u;
    ${pixel}
    row${i} = row; column${i} = column; base${i} = plane * ${planes} + row * ${width} + column; }`,
  );

/** Forward: y [n,co,ho,wo]. */
function convForwardImplicit(
  s: ConvShape,
  block: Block,
  epilogue: ConvEpilogue,
): Kernel<'x' | 'weight' | 'bias' | 'residual' | 'y'> {
  const { half } = block;
  const columns = s.n * outputArea(s);
  const depth = s.ci * taps(s);
  const aligned = multipleOf4(outputArea(s));
  const vectors = {
    weightVectors: multipleOf4(depth),
    imageVectors: aligned && isPointwise(s),
    resultVectors: aligned,
  };
  const constants = constantsOf(s, vectors);
  const result = vectors.resultVectors ? 'vec4f' : 'f32';
  const { rowTiles, grid } = blockGrid(block, s.co, columns, 1);
  return defineKernel({
    name: 'conv.forward.implicit',
    constants: { ...block.constants, ...constants },
    bindings: {
      x: read(elements(vectors.imageVectors, half)),
      weight: read(elements(vectors.weightVectors, half)),
      bias: read(),
      residual: read(result),
      y: write(result),
    },
    uniforms: {
      ...sizes(s),
      m: u32(s.co),
      n: u32(columns),
      k: u32(depth),
      depth: u32(Math.max(1, depth)),
      rowTiles: u32(rowTiles),
      ...epilogueUniforms(epilogue),
    },
    grid,
    requires: block.requires,
    flops: convFlops(s),
    bytes: convBytes(s),
    source: () =>
      block.source({
        range: RANGE,
        a: matrixLoader({ name: 'weight', outer: 'm', along: 'k', vectors: vectors.weightVectors, half }),
        b: patches(constants, vectorType(half)),
        declarations: forwardStore(vectors.resultVectors),
        columns: columnAddresses('u.co', 'u.ho * u.wo', vectors.resultVectors),
        store: (m, sums) => `store(${m}, n, at, ${sums});`,
      }),
  });
}

/** x under the taps of four pixels of y. */
function patches({ kh, kw, stride, dilation, inside, imageVectors }: Constants, vector: string): Loader {
  if (imageVectors) {
    return {
      along: 'outer',
      setup: (at) => `let planeAt = ${at} / (u.h * u.w) * u.ci * (u.h * u.w / 4u) + ${at} % (u.h * u.w) / 4u;`,
      loadVectors: `let v = select(${vector}(), x[planeAt + k * (u.h * u.w / 4u)], k < last);`,
    };
  }
  const within = (i: number): string =>
    inside ? 'k < last' : `k < last && row${i} + dy < u.h && column${i} + dx < u.w`;
  return {
    along: 'outer',
    setup: (at) =>
      pixels(
        at,
        'u.ci * u.h * u.w',
        'u.w',
        `let plane = p / (u.ho * u.wo);
    let row = p / u.wo % u.ho * ${stride}u - u.padding;
    let column = p % u.wo * ${stride}u - u.padding;`,
      ),
    load: `let tap = k % ${kh * kw}u;
      let dy = tap / ${kw}u * ${dilation}u;
      let dx = tap % ${kw}u * ${dilation}u;
      let offset = k / ${kh * kw}u * (u.h * u.w) + dy * u.w + dx;
      let v = ${vectorOf(vector, (i) => `select(${zero(vector)}, x[base${i} + offset], ${within(i)})`)};`,
  };
}

const zero = (vector: string): string => (vector === 'vec4h' ? '0.0h' : '0.0');

/** Where row 0 of the four columns from n on lies in an NCHW result, in vectors or elements. */
const columnAddresses = (channels: string, plane: string, vectors: boolean): string =>
  vectors
    ? `let plane = ${plane};
    let at = vec4u(n / plane * (${channels} * plane) + n % plane) / 4u;`
    : `let plane = ${plane};
    let pixel = vec4u(n, n + 1u, n + 2u, n + 3u);
    let at = pixel / plane * (${channels} * plane) + pixel % plane;`;

const forwardStore = (vectors: boolean): string =>
  vectors
    ? `
fn store(m: u32, n: u32, first: vec4u, sums: vec4f) {
  if (m >= u.m || n >= u.n) { return; }
  let at = first.x + m * (u.ho * u.wo / 4u);
  var sum = sums;
  if (u.useBias == 1u) { sum += bias[m]; }
  if (u.useResidual == 1u) { sum += residual[at]; }
  if (u.relu == 1u) { sum = max(sum, vec4f()); }
  y[at] = sum;
}`
    : `
fn store(m: u32, n: u32, first: vec4u, sums: vec4f) {
  if (m >= u.m) { return; }
  for (var column = n; column < min(n + 4u, u.n); column++) {
    let at = first[column - n] + m * (u.ho * u.wo);
    var sum = sums[column - n];
    if (u.useBias == 1u) { sum += bias[m]; }
    if (u.useResidual == 1u) { sum += residual[at]; }
    if (u.relu == 1u) { sum = max(sum, 0.0); }
    y[at] = sum;
  }
}`;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/**
 * Input gradient: dx [n,ci,h,w]. A pixel meets only the taps whose distance from it is a multiple of the stride: the
 * pixels of a phase, those at the same row and column modulo stride, meet the same taps and are a product of their own.
 */
function convInputGradientImplicit(s: ConvShape, block: Block, accumulate: boolean): Kernel<'dy' | 'weight' | 'dx'> {
  const { half } = block;
  const aligned = s.stride === 1 && multipleOf4(s.h * s.w);
  const vectors = {
    weightVectors: taps(s) === 1 && multipleOf4(s.ci),
    imageVectors: aligned && isPointwise(s),
    resultVectors: aligned,
  };
  const constants = constantsOf(s, vectors);
  const result = vectors.resultVectors ? 'vec4f' : 'f32';
  const phaseColumns = s.n * Math.ceil(s.h / s.stride) * Math.ceil(s.w / s.stride);
  const { rowTiles, grid } = blockGrid(block, s.ci, phaseColumns, s.stride ** 2);
  return defineKernel({
    name: 'conv.inputGradient.implicit',
    constants: { ...block.constants, ...constants },
    bindings: {
      dy: read(elements(vectors.imageVectors, half)),
      weight: read(elements(vectors.weightVectors, half)),
      dx: write(result),
    },
    uniforms: {
      ...sizes(s),
      n: u32(s.n),
      m: u32(s.ci),
      rowTiles: u32(rowTiles),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid,
    requires: block.requires,
    flops: convFlops(s),
    bytes: convBytes(s),
    source: () =>
      block.source({
        range: phase(constants),
        a: gradientWeight(constants, vectorType(half)),
        b: gradientPatches(constants, vectorType(half)),
        declarations: gradientStore(vectors.resultVectors),
        columns:
          s.stride === 1
            ? columnAddresses('u.ci', 'u.h * u.w', vectors.resultVectors)
            : `let pixel = vec4u(n, n + 1u, n + 2u, n + 3u);
    let plane = pixel / (rows * columns);
    let row = pixel / columns % rows * ${s.stride}u + phaseRow;
    let column = pixel % columns * ${s.stride}u + phaseColumn;
    let at = (plane * u.ci * u.h + row) * u.w + column;`,
        store: (m, sums) => `store(${m}, n, end, at, ${sums});`,
      }),
  });
}

/** The pixels and taps of phase `slice`. */
function phase({ kh, kw, stride, dilation }: Constants): string {
  if (stride === 1) {
    return `let rows = u.h;
  let columns = u.w;
  let end = u.n * rows * columns;
  let first = 0u;
  let last = u.co * ${kh * kw}u;
  const tapsX = ${kw}u;
  const taps = ${kh * kw}u;
  const tapRow = 0u;
  const tapColumn = 0u;`;
  }
  // The taps of a phase are this far apart.
  const every = stride / gcd(stride, dilation);
  return `let phaseY = slice / ${stride}u;
  let phaseX = slice % ${stride}u;
  // Its first row and column, and how many there are.
  let phaseRow = (phaseY + ${stride}u - u.padding % ${stride}u) % ${stride}u;
  let phaseColumn = (phaseX + ${stride}u - u.padding % ${stride}u) % ${stride}u;
  let rows = (u.h + ${stride - 1}u - phaseRow) / ${stride}u;
  let columns = (u.w + ${stride - 1}u - phaseColumn) / ${stride}u;
  let end = u.n * rows * columns;
  var tapRow = 0u;
  while (tapRow < ${every}u && tapRow * ${dilation}u % ${stride}u != phaseY) { tapRow++; }
  var tapColumn = 0u;
  while (tapColumn < ${every}u && tapColumn * ${dilation}u % ${stride}u != phaseX) { tapColumn++; }
  let tapsY = select(0u, (${kh + every - 1}u - tapRow) / ${every}u, tapRow < ${every}u);
  let tapsX = select(0u, (${kw + every - 1}u - tapColumn) / ${every}u, tapColumn < ${every}u);
  let taps = tapsY * tapsX;
  let first = 0u;
  let last = u.co * taps;`;
}

/** weight [co,ci,kh,kw] with four ci as rows and k = (co, tap of the phase). */
function gradientWeight({ kh, kw, stride, dilation, weightVectors }: Constants, vector: string): Loader {
  if (weightVectors) {
    return {
      along: 'outer',
      setup: (at) => `let weightAt = ${at} / 4u;`,
      loadVectors: `let v = select(${vector}(), weight[k / max(1u, taps) * (u.ci / 4u) + weightAt], k < last);`,
    };
  }
  const every = stride / gcd(stride, dilation);
  return {
    along: 'outer',
    setup: (at) => `let weightAt = ${at} * ${kh * kw}u;`,
    load: `let tap = k % taps;
      let offset = k / taps * (u.ci * ${kh * kw}u) + (tapRow + tap / tapsX * ${every}u) * ${kw}u + tapColumn + tap % tapsX * ${every}u + weightAt;
      let v = select(${vector}(), ${vectorOf(vector, (i) => `weight[offset + ${i * kh * kw}u]`)}, k < last);`,
  };
}

/** dy that four pixels of dx reached through the taps of the phase. */
function gradientPatches({ kh, kw, stride, dilation, inside, imageVectors }: Constants, vector: string): Loader {
  if (imageVectors) {
    return {
      along: 'outer',
      setup: (at) => `let planeAt = ${at} / (u.h * u.w) * u.co * (u.h * u.w / 4u) + ${at} % (u.h * u.w) / 4u;`,
      loadVectors: `let v = select(${vector}(), dy[planeAt + k * (u.h * u.w / 4u)], k < last);`,
    };
  }
  // From one tap of a phase to the next, in rows of dy.
  const between = dilation / gcd(stride, dilation);
  const whole = inside && kh * kw === 1 && stride === 1;
  const within = (i: number): string =>
    whole ? 'k < last' : `k < last && row${i} - up < u.ho && column${i} - left < u.wo`;
  const position = (axis: 'Row' | 'Column', index: string): string =>
    stride === 1
      ? `${index} + u.padding`
      : `u32(i32(${index} * ${stride}u + phase${axis} + u.padding - tap${axis} * ${dilation}u) / ${stride})`;
  return {
    along: 'outer',
    setup: (at) =>
      pixels(
        at,
        'u.co * u.ho * u.wo',
        'u.wo',
        `let plane = p / max(1u, rows * columns);
    let row = ${position('Row', 'p / max(1u, columns) % max(1u, rows)')};
    let column = ${position('Column', 'p % max(1u, columns)')};`,
      ),
    load: `let step = k % taps;
      let up = step / tapsX * ${between}u;
      let left = step % tapsX * ${between}u;
      let origin = k / taps * (u.ho * u.wo) - up * u.wo - left;
      let v = ${vectorOf(vector, (i) => `select(${zero(vector)}, dy[base${i} + origin], ${within(i)})`)};`,
  };
}

const gradientStore = (vectors: boolean): string =>
  vectors
    ? `
fn store(m: u32, n: u32, end: u32, first: vec4u, sums: vec4f) {
  if (m >= u.m || n >= end) { return; }
  let at = first.x + m * (u.h * u.w / 4u);
  dx[at] = select(sums, sums + dx[at], u.accumulate == 1u);
}`
    : `
fn store(m: u32, n: u32, end: u32, first: vec4u, sums: vec4f) {
  if (m >= u.m) { return; }
  for (var column = n; column < min(n + 4u, end); column++) {
    let at = first[column - n] + m * (u.h * u.w);
    dx[at] = sums[column - n] + select(0.0, dx[at], u.accumulate == 1u);
  }
}`;

/** Weight gradient: partial [parts, co, ci, kh, kw], sums of stretches of `depth` pixels. */
function convWeightGradientImplicit(
  s: ConvShape,
  block: Block,
  depth: number,
  accumulate: boolean,
): Kernel<'x' | 'dy' | 'partial'> {
  const { half } = block;
  const columns = s.ci * taps(s);
  const total = s.n * outputArea(s);
  const aligned = multipleOf4(outputArea(s));
  const vectors = {
    // Of dy.
    weightVectors: aligned,
    imageVectors: aligned && isPointwise(s),
    resultVectors: multipleOf4(columns),
  };
  const constants = constantsOf(s, vectors);
  const { rowTiles, grid } = blockGrid(block, s.co, columns, Math.max(1, Math.ceil(total / depth)));
  return defineKernel({
    name: 'conv.weightGradient.implicit',
    constants: { ...block.constants, ...constants },
    bindings: {
      x: read(elements(vectors.imageVectors, half)),
      dy: read(elements(vectors.weightVectors, half)),
      partial: write(vectors.resultVectors ? 'vec4f' : 'f32'),
    },
    uniforms: {
      ...sizes(s),
      m: u32(s.co),
      n: u32(columns),
      k: u32(total),
      depth: u32(depth),
      rowTiles: u32(rowTiles),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid,
    requires: block.requires,
    flops: convFlops(s),
    bytes: convBytes(s),
    source: () =>
      block.source({
        range: RANGE,
        a: imagesAlongK('dy', 'u.co', 'u.ho * u.wo', vectors.weightVectors, vectorType(half)),
        b: vectors.imageVectors
          ? imagesAlongK('x', 'u.ci', 'u.h * u.w', true, vectorType(half))
          : pixelsAlongK(constants, vectorType(half)),
        declarations: matrixStore('partial', vectors.resultVectors, 'if (u.accumulate == 1u) { v += partial[at]; }'),
        columns: '',
        store: (m, sums) => `store(slice, ${m}, n, ${sums});`,
      }),
  });
}

/** Four channels of NCHW images, k running over the pixels of the batch. */
function imagesAlongK(name: string, channels: string, plane: string, vectors: boolean, vector: string): Loader {
  return vectors
    ? {
        along: 'k',
        setup: (at) => `let ${name}At = ${at} * (${plane} / 4u);`,
        loadVectors: `let plane = ${plane};
      let start = k / plane * (${channels} * plane / 4u) + k % plane / 4u + ${name}At;
      ${quad((i) => `let q${i} = select(${vector}(), ${name}[start + ${i}u * (plane / 4u)], k < last);`)}
      ${transposed(vector)}`,
      }
    : {
        along: 'k',
        setup: (at) => `let ${name}At = ${at} * (${plane});`,
        load: `let plane = ${plane};
      let start = k / plane * (${channels} * plane) + k % plane + ${name}At;
      let v = select(${vector}(), ${vectorOf(vector, (i) => `${name}[start + ${i}u * plane]`)}, k < last);`,
      };
}

/** x under four taps of some channels, k running over the pixels of y. */
function pixelsAlongK({ kh, kw, stride, dilation, inside }: Constants, vector: string): Loader {
  const within = (i: number): string =>
    inside ? 'k < last' : `k < last && row + dy${i} < u.h && column + dx${i} < u.w`;
  return {
    along: 'k',
    setup: (at) =>
      quad(
        (i) => `let dy${i} = (${at} + ${i}u) % ${kh * kw}u / ${kw}u * ${dilation}u;
  let dx${i} = (${at} + ${i}u) % ${kw}u * ${dilation}u;
  let offset${i} = (${at} + ${i}u) / ${kh * kw}u * (u.h * u.w) + dy${i} * u.w + dx${i};`,
      ),
    begin: `var ox = k % u.wo;
      var oy = k / u.wo % u.ho;
      var image = k / u.wo / u.ho;`,
    load: `let row = oy * ${stride}u - u.padding;
      let column = ox * ${stride}u - u.padding;
      let base = (image * u.ci * u.h + row) * u.w + column;
      let v = ${vectorOf(vector, (i) => `select(${zero(vector)}, x[base + offset${i}], ${within(i)})`)};
      ox++;
      if (ox == u.wo) {
        ox = 0u;
        oy++;
        if (oy == u.ho) {
          oy = 0u;
          image++;
        }
      }`,
  };
}

const xSize = (s: ConvShape): number => s.n * s.ci * s.h * s.w;
const weightSize = (s: ConvShape): number => s.co * s.ci * taps(s);
const ySize = (s: ConvShape): number => s.n * s.co * outputArea(s);

export const IMPLICIT_VARIANTS: readonly string[] = ['forward', 'inputGradient', 'weightGradient'].flatMap((pass) =>
  BLOCK_NAMES.map((name) => `conv.${pass}.implicit.${name}`),
);

/** The ways to run y = conv(x, weight) as a matrix product, the one of least estimated time first. */
export function* convForwardImplicitCandidates(s: ConvShape, target: Target): Generator<Candidate<ConvEpilogue>> {
  for (const { block } of rankBlocks(target, { m: s.co, n: s.n * outputArea(s), k: s.ci * taps(s) })) {
    const { steps, scratch, names } = halved(block, { x: xSize(s), weight: weightSize(s) });
    const operands = { x: names('x'), weight: names('weight'), bias: 'bias', residual: 'residual', y: 'y' };
    yield {
      name: `conv.forward.implicit.${block.name}`,
      plan: (epilogue) => ({ steps: [...steps, step(convForwardImplicit(s, block, epilogue), operands)], scratch }),
    };
  }
}

/** The ways to compute the gradient to x, or with `accumulate` to add it, as a matrix product. */
export function* convInputGradientImplicitCandidates(s: ConvShape, target: Target): Generator<Candidate<boolean>> {
  const slices = s.stride ** 2;
  const problem = { m: s.ci, n: (s.n * s.h * s.w) / slices, k: Math.ceil((s.co * taps(s)) / slices), slices };
  for (const { block } of rankBlocks(target, problem)) {
    const { steps, scratch, names } = halved(block, { dy: ySize(s), weight: weightSize(s) });
    const operands = { dy: names('dy'), weight: names('weight'), dx: 'dx' };
    yield {
      name: `conv.inputGradient.implicit.${block.name}`,
      plan: (accumulate) => ({
        steps: [...steps, step(convInputGradientImplicit(s, block, accumulate), operands)],
        scratch,
      }),
    };
  }
}

/** The ways to compute the gradient to weight, or with `accumulate` to add it, as a matrix product. */
export function* convWeightGradientImplicitCandidates(s: ConvShape, target: Target): Generator<Candidate<boolean>> {
  const size = weightSize(s);
  const most = Math.floor(target.maxBinding / (4 * Math.max(1, size)));
  for (const { block, depth, parts } of rankBlocks(target, {
    m: s.co,
    n: s.ci * taps(s),
    k: s.n * outputArea(s),
    most,
  })) {
    const { steps, scratch, names } = halved(block, { x: xSize(s), dy: ySize(s) });
    const operands = { x: names('x'), dy: names('dy') };
    yield {
      name: `conv.weightGradient.implicit.${block.name}`,
      plan: (accumulate) =>
        parts === 1
          ? {
              steps: [
                ...steps,
                step(convWeightGradientImplicit(s, block, depth, accumulate), { ...operands, partial: 'dw' }),
              ],
              scratch,
            }
          : {
              steps: [
                ...steps,
                step(convWeightGradientImplicit(s, block, depth, false), { ...operands, partial: 'partial' }),
                step(sumPartials({ n: size, parts, accumulate }), { partial: 'partial', bias: 'x', y: 'dw' }),
              ],
              scratch: { ...scratch, partial: parts * size },
            },
    };
  }
}
