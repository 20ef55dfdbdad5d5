/**
 * Winograd's minimal filtering F(m, r) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016):
 * m outputs of a filter of r taps from m + r − 1 products, y = output·((filter·g) ⊙ (input·d)), by Toom–Cook's
 * evaluation at points. Of an image's rows, then of its columns.
 */
export type Matrix = readonly (readonly number[])[];

export interface Winograd {
  /** m + r − 1: products along one axis. */
  readonly points: number;
  /** [points, points] */
  readonly input: Matrix;
  /** [points, r] */
  readonly filter: Matrix;
  /** [m, points] */
  readonly output: Matrix;
}

/**
 * By their number; with infinity one more. Of five, 0, ±c, ±1/c with c near 1/√2 are the most accurate on random images
 * (compare Alam et al., "Winograd Convolution for Deep Neural Networks: Efficient Point Selection", 2022); these are
 * near, exact in f32, and lose two to three times less than the usual 0, ±1, ±2.
 */
const POINTS: Readonly<Record<number, readonly number[]>> = { 3: [0, 1, -1], 5: [0, 0.6875, -0.6875, 1.375, -1.375] };

/** F(outputs, taps). */
export function winograd(outputs: number, taps: number): Winograd {
  const points = outputs + taps - 1;
  const finite = POINTS[points - 1];
  const others = (j: number): number[] => finite.filter((_, l) => l !== j);
  const powers = (a: number, count: number): number[] => Array.from({ length: count }, (_, i) => a ** i);
  const last = (count: number): number[] => Array.from({ length: count }, (_, i) => (i === count - 1 ? 1 : 0));
  const filter = finite.map((a, j) => {
    const scale = others(j).reduce((product, b) => product * (a - b), 1);
    return powers(a, taps).map((power) => power / scale);
  });
  const input = finite.map((_, j) => [...polynomial(others(j)), 0]);
  const columns = [...finite.map((a) => powers(a, outputs)), last(outputs)];
  return {
    points,
    input: [...input, polynomial(finite)],
    filter: [...filter, last(taps)],
    output: Array.from({ length: outputs }, (_, i) => columns.map((column) => column[i])),
  };
}

/** Coefficients of Π (x − root), the constant term first. */
function polynomial(roots: readonly number[]): number[] {
  let coefficients = [1];
  for (const root of roots) {
    const shifted = [0, ...coefficients];
    coefficients = shifted.map((c, i) => c - root * (coefficients[i] ?? 0));
  }
  return coefficients;
}

/**
 * WGSL of matrix·d·matrixᵀ that takes d in a loop over its columns, or all of it, and may give the result in one over its
 * rows. Loops are to run to bounds known only at run time, the same for all invocations: unrolled or diverging, they compile
 * many times slower on software GPUs. Values move on from variable to variable, as arrays indexed at run time would spill to
 * memory.
 */
export interface Transform {
  /** Declares the variables, before the loops. */
  readonly variables: string;
  /** In each turn of the first loop: takes d0, d1, …, the next column of d. */
  readonly takeColumn: string;
  /** Instead of both: declares the variables for all of d, its elements called d0_0, d0_1, … Faster where it is small. */
  readonly take: string;
  /** After the first loop: the result's elements as expressions. */
  readonly result: readonly (readonly string[])[];
  /** Instead, in each turn of the second: declares v0, v1, …, the next row of the result. */
  readonly nextRow: string;
}

export function transformBy(matrix: Matrix): Transform {
  const columns = matrix[0].map((_, j) => j);
  const cells = (at: (i: number, j: number) => string): string =>
    matrix.map((_, i) => columns.map((j) => at(i, j)).join(' ')).join('\n');
  const last = { row: matrix.length - 1, column: columns.length - 1 };
  const column = columns.map((j) => `d${j}`);
  const result = matrix.map((_, i) => {
    const row = columns.map((j) => `c${i}_${j}`);
    return matrix.map((weights) => combination(weights, row));
  });
  return {
    variables: cells((i, j) => `var c${i}_${j} = 0.0;`),
    takeColumn: cells((i, j) => `c${i}_${j} = ${j < last.column ? `c${i}_${j + 1}` : combination(matrix[i], column)};`),
    take: cells((i, j) => {
      const elements = columns.map((k) => `d${k}_${j}`);
      return `var c${i}_${j} = ${combination(matrix[i], elements)};`;
    }),
    result,
    nextRow: [
      ...result[0].map((value, j) => `var v${j} = ${value};`),
      cells((i, j) => (i < last.row ? `c${i}_${j} = c${i + 1}_${j};` : '')),
    ].join('\n'),
  };
}

function combination(weights: readonly number[], values: readonly string[]): string {
  const terms = weights.flatMap((weight, i) => {
    if (weight === 0) return [];
    const factor = Math.abs(weight) === 1 ? '' : ` * ${literal(Math.abs(weight))}`;
    return [`${weight < 0 ? '-' : '+'} ${values[i]}${factor}`];
  });
  return terms.join(' ').replace(/^\+ /, '').replace(/^- /, '-');
}

const literal = (value: number): string => (Number.isInteger(value) ? `${value}.0` : `${value}`);
