/** Convolution and its two large gradients, as kernels are chosen for them. */
import type { Candidate } from '../candidate.ts';
import { type Operation, planeClass, sizeClass } from '../operation.ts';
import type { Target } from '../target.ts';
import { convForwardCandidates, convInputGradientCandidates, convWeightGradientCandidates } from './choose.ts';
import { type ConvEpilogue, type ConvShape, convFlops, outputHeight, outputWidth } from './shape.ts';
import { forwardTerms, inputGradientTerms, weightGradientTerms } from './terms.ts';

/** What the three differ in. */
interface Difference<Options> {
  /** Which operands hold what has the size of x, of the weight and of y. */
  readonly names: readonly [x: string, weight: string, y: string];
  readonly output: string;
  readonly factors: readonly [string, string];
  readonly terms: (s: ConvShape, index: number, visit: (a: number, b: number) => void) => void;
  readonly plain: Options;
  readonly candidates: (s: ConvShape, target: Target) => Iterable<Candidate<Options>>;
}

/** Of the layer: exact, since candidates are made for channels, taps and strides. */
const layerName = ({ ci, co, kh, kw, stride, padding, dilation }: ConvShape): string =>
  `${ci}-${co}-${kh}x${kw}-s${stride}-p${padding}-d${dilation}`;

/** What is not always needed is a getter: this runs at every call of the operation. */
const convOperation = <Options>(
  family: string,
  { names: [x, weight, y], output, factors, terms, plain, candidates }: Difference<Options>,
  s: ConvShape,
): Operation<Options> => ({
  family,
  shape: s,
  get id() {
    return `${family}-${layerName(s)}-n${s.n}-${s.h}x${s.w}`;
  },
  get key() {
    return `${family}-${layerName(s)}-n${sizeClass(s.n)}-${planeClass(s.h, s.w)}`;
  },
  get flops() {
    return convFlops(s);
  },
  get operands() {
    return {
      [x]: s.n * s.ci * s.h * s.w,
      [weight]: s.co * s.ci * s.kh * s.kw,
      [y]: s.n * s.co * outputHeight(s) * outputWidth(s),
    };
  },
  output,
  factors,
  terms: (index, visit) => terms(s, index, visit),
  plain,
  candidates: (target) => candidates(s, target),
});

const FORWARD: Difference<ConvEpilogue> = {
  names: ['x', 'weight', 'y'],
  output: 'y',
  factors: ['x', 'weight'],
  terms: forwardTerms,
  plain: { bias: false, relu: false },
  candidates: convForwardCandidates,
};

const INPUT_GRADIENT: Difference<boolean> = {
  names: ['dx', 'weight', 'dy'],
  output: 'dx',
  factors: ['dy', 'weight'],
  terms: inputGradientTerms,
  plain: false,
  candidates: convInputGradientCandidates,
};

const WEIGHT_GRADIENT: Difference<boolean> = {
  names: ['x', 'dw', 'dy'],
  output: 'dw',
  factors: ['x', 'dy'],
  terms: weightGradientTerms,
  plain: false,
  candidates: convWeightGradientCandidates,
};

/** y [n,co,ho,wo] = conv2d(x, weight), through an epilogue. */
export const convForwardOperation = (s: ConvShape): Operation<ConvEpilogue> =>
  convOperation('conv.forward', FORWARD, s);
/** dx [n,ci,h,w] from dy [n,co,ho,wo] and the weight; the option says whether it is added to dx. */
export const convInputGradientOperation = (s: ConvShape): Operation<boolean> =>
  convOperation('conv.inputGradient', INPUT_GRADIENT, s);
/** dweight [co,ci,kh,kw] from x and dy; the option says whether it is added to dweight. */
export const convWeightGradientOperation = (s: ConvShape): Operation<boolean> =>
  convOperation('conv.weightGradient', WEIGHT_GRADIENT, s);
