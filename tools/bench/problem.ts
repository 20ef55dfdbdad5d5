/** What an item of the bench computes, in words that cross the borders of processes and libraries. */
import { type ConvShape, type GemmShape, outputHeight, outputWidth } from '@cim/kernels';
import { type OperationName, operationOf } from '@cim/kernels/operations';
import type { HRNetName } from '@cim/model/backbone/index';
import type { PresetName } from '@cim/model/recipe/presets';
import type { SampleSize } from '../step/sample.ts';
import { deterministicValues } from '../verify/deterministic.ts';

/** A convolution without bias, of x [n,ci,h,w] with weight [co,ci,kh,kw], or one of its gradients from dy, shaped like y. */
export interface ConvProblem extends OperationName {
  readonly family: 'conv.forward' | 'conv.inputGradient' | 'conv.weightGradient';
  readonly shape: ConvShape;
}

/** C [m,n] = A·B; A and B are stored as their shape says. */
export interface ProductProblem extends OperationName {
  readonly family: 'gemm';
  readonly shape: GemmShape;
}

/** The features [1,2048,height/32,width/32] that a network finds in an image [1,3,height,width]. */
export interface NetworkProblem {
  readonly family: 'hrnet';
  readonly shape: { readonly name: HRNetName; readonly height: number; readonly width: number };
}

/** What several libraries can be asked to compute. */
export type Problem = ConvProblem | ProductProblem | NetworkProblem;

/** What only we are asked to do: a step of training by a preset, or as many multiply-adds as there can be. */
export type OwnProblem =
  | { readonly family: 'trainingStep'; readonly shape: { readonly preset: PresetName } & SampleSize }
  | { readonly family: 'multiplyAdd'; readonly shape: Readonly<Record<string, never>> };

export const xShape = (s: ConvShape): number[] => [s.n, s.ci, s.h, s.w];
export const weightShape = (s: ConvShape): number[] => [s.co, s.ci, s.kh, s.kw];
export const yShape = (s: ConvShape): number[] => [s.n, s.co, outputHeight(s), outputWidth(s)];

/** The shape of what is computed. */
export function resultShape({ family, shape }: Problem): number[] {
  switch (family) {
    case 'conv.forward':
      return yShape(shape);
    case 'conv.inputGradient':
      return xShape(shape);
    case 'conv.weightGradient':
      return weightShape(shape);
    case 'gemm':
      return [shape.m, shape.n];
    case 'hrnet':
      return [1, 2048, Math.ceil(shape.height / 32), Math.ceil(shape.width / 32)];
  }
}

/** The operands' names, which their values follow from. */
const OPERANDS = ['x', 'weight', 'dy', 'a', 'b', 'image'];
const SALT = 4177;

/** Row-major values in [−1, 1), the same in every process. */
export const operandValues = (name: string, size: number): Float32Array =>
  deterministicValues(OPERANDS.indexOf(name), { first: 0, count: size }, SALT, 1, 0);

/** What the result holds at the given places of its row-major order, summed in f64. */
export function referenceAt(problem: ConvProblem | ProductProblem, places: readonly number[]): number[] {
  const { operands, factors, terms } = operationOf(problem)!;
  const [a, b] = factors.map((name) => operandValues(name, operands[name]));
  return places.map((place) => {
    let sum = 0;
    terms(place, (i, j) => {
      sum += a[i] * b[j];
    });
    return sum;
  });
}

/** The values of a row-major array with its axes in another order, as numpy.transpose gives them. */
export function permuted(values: Float32Array, shape: readonly number[], axes: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const result = new Float32Array(values.length);
  const index = axes.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = values[from];
    for (let at = axes.length - 1; at >= 0; at--) {
      from += strides[axes[at]];
      if (++index[at] < shape[axes[at]]) break;
      from -= strides[axes[at]] * shape[axes[at]];
      index[at] = 0;
    }
  }
  return result;
}
