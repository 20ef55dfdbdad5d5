import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Sink, Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';
import { scratchTarget } from './scratch-target.ts';

/** Per-channel tensors [C] of a batch normalisation. */
export interface BatchNormParameters {
  /** γ, the factor after normalisation. */
  readonly weight: Tensor;
  /** β, added to it. */
  readonly bias: Tensor;
  /** Updated in place by training. */
  readonly runningMean: Tensor;
  /** Unbiased; updated in place by training. */
  readonly runningVar: Tensor;
}

/** As PyTorch's BatchNorm2d; `eps` 1e-5 and `momentum` 0.1 unless given. */
export interface BatchNormOptions {
  /** Normalise by the batch's statistics and update the running ones; otherwise by the running ones, as constants. */
  readonly training: boolean;
  /** Share of the batch in the running statistics' update. */
  readonly momentum?: number;
  /** Added to the variance under the root. */
  readonly eps?: number;
  /** Added after the normalisation, before the ReLU; shaped like x. */
  readonly residual?: Tensor;
  /** Whether the result goes through max(0, ·) at last. */
  readonly relu?: boolean;
}

/**
 * Batch normalisation of x [N, C, H, W] with the residual addition and the ReLU of a residual block fused.
 *
 * @throws ShapeError when the parameters are not of C elements, or the residual is not shaped like x.
 */
export function batchNorm(
  tape: Tape,
  x: Tensor,
  parameters: BatchNormParameters,
  { training, momentum = 0.1, eps = 1e-5, residual, relu = false }: BatchNormOptions,
): Tensor {
  const [batch, channels, height, width] = x.shape;
  const { weight, bias, runningMean, runningVar } = parameters;
  if (x.shape.length !== 4 || [weight, bias, runningMean, runningVar].some((t) => t.size !== channels)) {
    throw new ShapeError(
      `batchNorm of [${x.shape}] needs [N, C, H, W] and parameters of C; weight is [${weight.shape}].`,
    );
  }
  if (residual && residual.size !== x.size) {
    throw new ShapeError(`batchNorm of [${x.shape}] cannot add a residual [${residual.shape}].`);
  }
  const { device } = tape;
  const shape = { batch, channels, plane: height * width };
  const y = device.empty(x.shape);
  let mean = runningMean;
  let variance = runningVar;
  if (training) {
    mean = device.empty([channels]);
    variance = device.empty([channels]);
    device.run(kernels.batchNormStatistics({ ...shape, momentum }), { x, mean, variance, runningMean, runningVar });
  }
  device.run(kernels.batchNorm({ ...shape, eps, residual: residual !== undefined, relu }), {
    x,
    weight,
    bias,
    mean,
    variance,
    residual: residual ?? x,
    y,
  });
  const inputs = residual ? [x, weight, bias, residual] : [x, weight, bias];
  const backward = (sink: Sink, dy: Tensor): void => {
    const wantsResidual = residual !== undefined && sink.wants(3);
    let sums: Tensor | undefined;
    if (sink.wants(1) || sink.wants(2) || (training && sink.wants(0))) {
      const scratch: Tensor[] = [];
      const dweight = scratchTarget(sink, 1, weight, scratch);
      const dbias = scratchTarget(sink, 2, bias, scratch);
      if (training) sums = device.empty([4, channels]);
      device.run(
        kernels.batchNormReduce({
          ...shape,
          eps,
          relu,
          training,
          accumulateWeight: dweight.accumulate,
          accumulateBias: dbias.accumulate,
        }),
        { dy, y, x, mean, variance, dweight: dweight.tensor, dbias: dbias.tensor, ...(sums ? { sums } : {}) },
      );
      for (const tensor of scratch) tensor.dispose();
    }
    if (sink.wants(0)) {
      const dx = sink.into(0);
      // Without a ReLU the residual's gradient is dy itself.
      const dresidual = wantsResidual && relu ? sink.into(3) : undefined;
      device.run(
        kernels.batchNormBackward({ ...shape, eps, relu, training, accumulate: dx.accumulate, residual: dresidual }),
        {
          dy,
          y,
          weight,
          dx: dx.tensor,
          ...(sums ? { x, sums } : { variance }),
          ...(dresidual ? { dresidual: dresidual.tensor } : {}),
        },
      );
    } else if (wantsResidual && relu) {
      const { tensor, accumulate } = sink.into(3);
      device.run(kernels.activationBackward({ n: x.size, kind: 'relu', accumulate }), { dy, y, dx: tensor });
    }
    if (wantsResidual && !relu) sink.pass(3, dy);
    sums?.dispose();
  };
  return tape.record('batchNorm', inputs, y, backward, training ? [mean, variance] : []);
}
