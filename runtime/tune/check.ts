/** Whether a candidate computes what it should: compared with sums in f64, element by element. */
import type { Operation } from '@cim/kernels/operation';
import type { Target } from '@cim/kernels/target';
import { Generator } from '../generator.ts';

/** What outputs are filled with before a run: what a kernel forgets to write stands out. */
export const POISON = Math.fround(-1.2345e30);

/**
 * Error that is allowed an element, as a share of Σ|a·b| over its products. f32: 64 times its rounding, which sums of any
 * length and order stay below, and Winograd's transforms; a product left out, or factors rounded to f16, do not. f16:
 * what rounding both factors makes at most.
 */
const TOLERANCE = { f32: 2 ** -18, f16: 2 ** -10 };

/** Elements that every result is compared at, beside where it differs most from another candidate's. */
const SAMPLES = 64;

/** Values that repeat in an operand: a prime number, so that they meet others in every row. */
const DISTINCT = 65521;

/** Uniform values in [−1, 1), a sequence for each seed. */
export function noise(size: number, seed: number): Float32Array {
  const generator = new Generator(seed);
  const values = new Float32Array(size);
  const drawn = Math.min(size, DISTINCT);
  for (let i = 0; i < drawn; i++) values[i] = 2 * generator.uniform() - 1;
  for (let i = drawn; i < size; i += drawn) values.copyWithin(i, 0, Math.min(drawn, size - i));
  return values;
}

interface Expected {
  readonly value: number;
  readonly tolerance: number;
}

/** Compares results of an operation on given factors. */
export class Checker {
  readonly #operation: Operation;
  readonly #a: Float32Array;
  readonly #b: Float32Array;
  readonly #expected = new Map<number, Expected>();
  readonly #samples: readonly number[];
  readonly #share: number;
  /** The first right result. */
  #right: Float32Array | undefined;

  constructor(operation: Operation, inputs: Readonly<Record<string, Float32Array>>, { f16 }: Pick<Target, 'f16'>) {
    this.#share = TOLERANCE[f16 ? 'f16' : 'f32'];
    this.#operation = operation;
    [this.#a, this.#b] = operation.factors.map((name) => inputs[name]);
    const size = operation.operands[operation.output];
    const generator = new Generator(3);
    this.#samples = [0, size - 1, ...Array.from({ length: SAMPLES - 2 }, () => generator.integer(size))];
  }

  /** What is wrong with a result; undefined when nothing is. */
  fault(result: Float32Array): string | undefined {
    for (let i = 0; i < result.length; i++) {
      if (result[i] === POISON) return `element ${i} of ${result.length} is not written`;
      if (!Number.isFinite(result[i])) return `element ${i} of ${result.length} is ${result[i]}`;
    }
    const places = this.#right ? [...this.#samples, mostDifferent(result, this.#right)] : this.#samples;
    for (const i of places) {
      const { value, tolerance } = this.#at(i);
      if (Math.abs(result[i] - value) > tolerance) {
        return `element ${i} of ${result.length} is ${result[i]}, not ${value} ± ${tolerance}`;
      }
    }
    this.#right ??= result;
    return undefined;
  }

  #at(index: number): Expected {
    let expected = this.#expected.get(index);
    if (!expected) {
      let [value, magnitude] = [0, 0];
      this.#operation.terms(index, (a, b) => {
        const product = this.#a[a] * this.#b[b];
        value += product;
        magnitude += Math.abs(product);
      });
      this.#expected.set(index, (expected = { value, tolerance: this.#share * magnitude }));
    }
    return expected;
  }
}

function mostDifferent(a: Float32Array, b: Float32Array): number {
  let [worst, difference] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const own = Math.abs(a[i] - b[i]);
    if (own > difference) [worst, difference] = [i, own];
  }
  return worst;
}
