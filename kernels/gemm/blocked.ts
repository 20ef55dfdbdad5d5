/**
 * The matrix product in workgroup memory, for hardware GPUs: blocks of 32×32 to 128×64 outputs, vector loads and stores
 * where rows are multiples of four, products in registers or in subgroup matrices, operands as they are or as f16.
 */
import type { Candidate } from '../candidate.ts';
import { defineKernel, type Kernel, read, u32, write } from '../kernel.ts';
import { type Plan, type Step, step } from '../plan.ts';
import type { Target } from '../target.ts';
import { BLOCK_NAMES, type Block, blockGrid, type Loader, rankBlocks, scalarType, vectorType } from './block.ts';
import { halfWords, toHalf } from './half.ts';
import { sumPartials } from './partials.ts';
import { type GemmBatch, type GemmEpilogue, type GemmShape, gemmBytes, gemmFlops } from './shape.ts';

/** One of the operands of a product, stored [outer][k] where `along` is k, else [k][outer]; `outer` is the uniform m or n. */
export interface Matrix {
  readonly name: string;
  readonly outer: 'm' | 'n';
  readonly along: 'k' | 'outer';
  /** Rows as stored are multiples of four. */
  readonly vectors: boolean;
  readonly half: boolean;
  /** Uniform of elements from the matrix of one slice to the next, where slices are a batch. */
  readonly stride?: string;
}

/** Text of a vector of what `element` is for 0 to 3. */
export const vectorOf = (type: string, element: (i: number) => string): string =>
  `${type}(${[0, 1, 2, 3].map(element).join(', ')})`;

/** Loads a row-major matrix. */
export function matrixLoader({ name, outer, along, vectors, half, stride }: Matrix): Loader {
  const begin = stride ? ` + slice * u.${stride}` : '';
  const vector = vectorType(half);
  const each = (line: (i: number) => string): string => [0, 1, 2, 3].map(line).join('\n      ');
  if (along === 'outer') {
    return vectors
      ? {
          along,
          setup: (at) => `let ${name}At = (${at}${begin}) / 4u;`,
          loadVectors: `let v = select(${vector}(), ${name}[k * (u.${outer} / 4u) + ${name}At], k < last);`,
        }
      : {
          along,
          setup: (at) => `let ${name}At = ${at}${begin};`,
          load: `let row = k * u.${outer} + ${name}At;
      let v = select(${vector}(), ${vectorOf(vector, (i) => `${name}[row + ${i}u]`)}, k < last);`,
        };
  }
  const setup = (per: number) => (at: string) =>
    each((i) => `let ${name}At${i} = (${at} + ${i}u) * (u.k / ${per}u)${begin && `${begin} / ${per}u`};`);
  return vectors
    ? {
        along,
        setup: setup(4),
        loadVectors: `${each((i) => `let q${i} = select(${vector}(), ${name}[${name}At${i} + k / 4u], k < last);`)}
      ${transposed(vector)}`,
      }
    : {
        along,
        setup: setup(1),
        load: `let v = select(${vector}(), ${vectorOf(vector, (i) => `${name}[${name}At${i} + k]`)}, k < last);`,
      };
}

/** Statements that turn q0 to q3, four k of a row or column each, into v0 to v3. */
export const transposed = (vector: string): string =>
  [0, 1, 2, 3].map((j) => `let v${j} = ${vectorOf(vector, (i) => `q${i}[${j}]`)};`).join('\n      ');

/**
 * Function that stores four neighbouring sums of row m of a row-major result [slices, u.m, u.n] called `c`; `finish` are
 * statements on the sums `v`, of which `at` is where they go and `column` where in a row, both in vectors or elements.
 */
export const matrixStore = (c: string, vectors: boolean, finish: string): string => `
fn store(slice: u32, m: u32, n: u32, sums: vec4f) {
  if (m >= u.m) { return; }
${
  vectors
    ? `  if (n >= u.n) { return; }
  let column = n / 4u;
  let at = (slice * u.m + m) * (u.n / 4u) + column;
  var v = sums;
  ${finish}
  ${c}[at] = v;`
    : `  for (var column = n; column < min(n + 4u, u.n); column++) {
    let at = (slice * u.m + m) * u.n + column;
    var v = sums[column - n];
    ${finish}
    ${c}[at] = v;
  }`
}
}`;

/**
 * C, or with `depth` < k the partial products [⌈k/depth⌉, m, n] of stretches of k (then without epilogue), or for a batch,
 * whose strides are multiples of four, C [count, m, n].
 */
export function gemmBlocked(
  shape: GemmShape,
  block: Block,
  { bias = false, relu = false, accumulate = false }: GemmEpilogue,
  depth: number = Math.max(1, shape.k),
  batch?: GemmBatch,
): Kernel<'a' | 'b' | 'bias' | 'c'> {
  const { m, n, k, transposeA = false, transposeB = false } = shape;
  const { half } = block;
  const constants = {
    ...block.constants,
    transposeA,
    transposeB,
    vectorsA: (transposeA ? m : k) % 4 === 0,
    vectorsB: (transposeB ? k : n) % 4 === 0,
    vectorsC: n % 4 === 0,
    batched: batch !== undefined,
  };
  const { vectorsA, vectorsB, vectorsC, batched } = constants;
  const slices = batch?.count ?? Math.max(1, Math.ceil(k / depth));
  const input = (vectors: boolean) => read(vectors ? vectorType(half) : scalarType(half));
  const output = vectorsC ? 'vec4f' : 'f32';
  const { rowTiles, grid } = blockGrid(block, m, n, slices);
  return defineKernel({
    name: 'gemm.blocked',
    constants,
    bindings: { a: input(vectorsA), b: input(vectorsB), bias: read(output), c: write(output) },
    uniforms: {
      m: u32(m),
      n: u32(n),
      k: u32(k),
      depth: u32(depth),
      batchA: u32(batch?.strideA ?? 0),
      batchB: u32(batch?.strideB ?? 0),
      rowTiles: u32(rowTiles),
      useBias: u32(bias ? 1 : 0),
      relu: u32(relu ? 1 : 0),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid,
    requires: block.requires,
    flops: (batch?.count ?? 1) * gemmFlops(shape),
    bytes: (batch?.count ?? 1) * gemmBytes(shape),
    source: () =>
      block.source({
        range: batched ? WHOLE : RANGE,
        a: matrixLoader({
          ...{ name: 'a', outer: 'm', along: transposeA ? 'outer' : 'k', vectors: vectorsA, half },
          stride: batched ? 'batchA' : undefined,
        }),
        b: matrixLoader({
          ...{ name: 'b', outer: 'n', along: transposeB ? 'k' : 'outer', vectors: vectorsB, half },
          stride: batched ? 'batchB' : undefined,
        }),
        declarations: matrixStore('c', vectorsC, epilogueText(vectorsC)),
        columns: '',
        store: (row, sums) => `store(slice, ${row}, n, ${sums});`,
      }),
  });
}

/** Stretches of `u.depth`. */
export const RANGE = `let first = slice * u.depth;
  let last = min(first + u.depth, u.k);`;

/** All of k, in every slice. */
const WHOLE = `let first = 0u;
  let last = u.k;`;

const epilogueText = (vectors: boolean): string => `if (u.useBias == 1u) { v += bias[column]; }
  if (u.relu == 1u) { v = max(v, ${vectors ? 'vec4f()' : '0.0'}); }
  if (u.accumulate == 1u) { v += c[at]; }`;

/** Steps that round operands to f16, where a block wants that, and what they are called then. */
export function halved(block: Block, sizes: Readonly<Record<string, number>>) {
  const names = (name: string): string => (block.half ? `${name}16` : name);
  const scratch: Record<string, number> = {};
  const steps: Step[] = [];
  if (block.half) {
    for (const name in sizes) {
      scratch[names(name)] = halfWords(sizes[name]);
      steps.push(step(toHalf(sizes[name]), { x: name, y: names(name) }));
    }
  }
  return { steps, scratch, names };
}

export const BLOCKED_VARIANTS: readonly string[] = BLOCK_NAMES.flatMap((name) => [
  `gemm.blocked.${name}`,
  `gemm.blocked.${name}.split`,
]);

/** The ways to run the matrix product in workgroup memory, the one of least estimated time first. */
export function* gemmBlockedCandidates(shape: GemmShape, target: Target): Generator<Candidate<GemmEpilogue>> {
  const { m, n, k } = shape;
  const most = Math.floor(target.maxBinding / (4 * Math.max(1, m * n)));
  for (const { block, depth, parts } of rankBlocks(target, { m, n, k, most })) {
    const name = `gemm.blocked.${block.name}`;
    const rounded = halved(block, { a: m * k, b: k * n });
    const operands = { a: rounded.names('a'), b: rounded.names('b'), bias: 'bias' };
    const plan = (epilogue: GemmEpilogue): Plan =>
      parts === 1
        ? {
            steps: [...rounded.steps, step(gemmBlocked(shape, block, epilogue), { ...operands, c: 'c' })],
            scratch: rounded.scratch,
          }
        : {
            steps: [
              ...rounded.steps,
              step(gemmBlocked(shape, block, {}, depth), { ...operands, c: 'partial' }),
              step(sumPartials({ n: m * n, parts, channels: n, ...epilogue }), {
                partial: 'partial',
                bias: 'bias',
                y: 'c',
              }),
            ],
            scratch: { ...rounded.scratch, partial: parts * m * n },
          };
    yield { name: parts > 1 ? `${name}.split` : name, plan };
  }
}
