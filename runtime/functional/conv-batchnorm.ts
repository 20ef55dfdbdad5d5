import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Sink, Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { type ConvOptions, convShape } from './conv.ts';
import { convForward, convInputGradient, convWeightGradient, epilogueGradient } from './conv-passes.ts';
import type { BatchNormParameters } from './normalise.ts';
import { scratchTarget } from './scratch-target.ts';

interface Folded {
  readonly weight: Tensor;
  /** [4, C], see kernels.foldBatchNorm. */
  readonly rows: Tensor;
  /** The first of the rows: the bias of the folded convolution. */
  readonly shift: Tensor;
}

/**
 * A convolution's weight [Co,Ci,kh,kw] and bias [Co] with the frozen batch normalisation behind it folded in, for
 * {@link convBatchNorm2d}. It is folded once, and again after any of the tensors was written.
 */
export class FoldedBatchNorm {
  /** [Co, Ci, kh, kw], before folding. */
  readonly weight: Tensor;
  /** [Co], or null for a convolution without bias. */
  readonly bias: Tensor | null;
  /** Vectors of Co elements. */
  readonly norm: BatchNormParameters;
  readonly #eps: number;
  #folded: Folded | undefined;
  #versions = '';

  /**
   * Folds nothing yet; {@link fold} does.
   * @throws ShapeError when the sizes do not fit.
   */
  constructor(weight: Tensor, bias: Tensor | null, norm: BatchNormParameters, { eps = 1e-5 } = {}) {
    const vectors = [norm.weight, norm.bias, norm.runningMean, norm.runningVar, ...(bias ? [bias] : [])];
    if (vectors.some(({ size }) => size !== weight.shape[0])) {
      throw new ShapeError(
        `FoldedBatchNorm of a weight [${weight.shape}] needs vectors of ${weight.shape[0]} elements.`,
      );
    }
    this.weight = weight;
    this.bias = bias;
    this.norm = norm;
    this.#eps = eps;
  }

  /** The folded tensors, up to date; they stay this object's. */
  fold(): Folded {
    const { weight, bias, norm } = this;
    const { device } = weight;
    const [channels] = weight.shape;
    if (!this.#folded) {
      const rows = device.keep(device.empty([4, channels]));
      const shift = device.keep(rows.view([channels], rows.offset));
      this.#folded = { weight: device.keep(device.empty(weight.shape)), rows, shift };
    }
    const sources = [weight, norm.weight, norm.bias, norm.runningMean, norm.runningVar, ...(bias ? [bias] : [])];
    const versions = sources.map(({ storage }) => storage.version).join();
    if (versions !== this.#versions) {
      const size = weight.size / channels;
      device.run(kernels.foldBatchNorm({ channels, size, eps: this.#eps, bias: bias !== null }), {
        weight,
        bias: bias ?? weight,
        gamma: norm.weight,
        beta: norm.bias,
        mean: norm.runningMean,
        variance: norm.runningVar,
        folded: this.#folded.weight,
        rows: this.#folded.rows,
      });
      if (!device.compiling) this.#versions = versions;
    }
    return this.#folded;
  }

  /** Frees the folded tensors, not those they were made of. */
  dispose(): void {
    for (const tensor of Object.values(this.#folded ?? {})) tensor.dispose();
  }
}

/**
 * `conv2d`, normalised by frozen statistics: one convolution, whose result before the normalisation is never stored.
 * The residual is added after the normalisation. Gradients reach weight and bias of both.
 */
export function convBatchNorm2d(
  tape: Tape,
  x: Tensor,
  layer: FoldedBatchNorm,
  { residual, relu = false, ...geometry }: ConvOptions = {},
): Tensor {
  const { device } = tape;
  const { weight, bias, norm } = layer;
  const shape = convShape(x, weight, bias, residual, geometry);
  const folded = layer.fold();
  const y = device.empty([shape.n, shape.co, kernels.outputHeight(shape), kernels.outputWidth(shape)]);
  convForward(shape, { x, weight: folded.weight, bias: folded.shift, residual, y }, relu);

  const parameters = [weight, norm.weight, norm.bias, ...(bias ? [bias] : [])];
  const inputs = [x, ...parameters, ...(residual ? [residual] : [])];
  return tape.record('convBatchNorm2d', inputs, y, (sink, gradient) => {
    const trains = parameters.some((_, i) => sink.wants(1 + i));
    const dshift = trains ? device.empty([shape.co]) : undefined;
    const db = dshift && { tensor: dshift, accumulate: false };
    const dy = epilogueGradient(shape, gradient, y, { relu, db });
    if (sink.wants(0)) convInputGradient(shape, dy, folded.weight, sink.into(0));
    if (dshift) {
      const dfolded = device.empty(weight.shape);
      convWeightGradient(shape, x, dy, { tensor: dfolded, accumulate: false });
      parameterGradients(sink, layer, folded, dfolded, dshift);
      dfolded.dispose();
      dshift.dispose();
    }
    if (residual) sink.pass(inputs.length - 1, dy);
    if (relu) dy.dispose();
  });
}

/** From the gradients of the folded weight and bias those of what they are made of, inputs 1 to 3 or 4. */
function parameterGradients(
  sink: Sink,
  { weight, bias, norm }: FoldedBatchNorm,
  { rows }: Folded,
  dfolded: Tensor,
  dshift: Tensor,
): void {
  const scratch: Tensor[] = [];
  const dweight = scratchTarget(sink, 1, weight, scratch);
  const dgamma = scratchTarget(sink, 2, norm.weight, scratch);
  const dbeta = scratchTarget(sink, 3, norm.bias, scratch);
  const dbias = bias ? scratchTarget(sink, 4, bias, scratch) : undefined;
  const accumulate = {
    weight: dweight.accumulate,
    gamma: dgamma.accumulate,
    beta: dbeta.accumulate,
    bias: dbias?.accumulate,
  };
  const [channels] = weight.shape;
  weight.device.run(kernels.foldBatchNormBackward({ channels, size: weight.size / channels, accumulate }), {
    dfolded,
    dshift,
    weight,
    rows,
    dweight: dweight.tensor,
    dgamma: dgamma.tensor,
    dbeta: dbeta.tensor,
    ...(dbias ? { dbias: dbias.tensor } : {}),
  });
  for (const tensor of scratch) tensor.dispose();
}
