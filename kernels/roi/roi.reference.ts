/** Plain f64 references of RoIAlign and MaskFuse's input. */
import type { MaskFuseShape } from './mask-fuse.ts';
import type { RoIAlignShape } from './roi-align.ts';

type Corner = readonly [cell: number, weight: number];

/** The two cells a sample lies between, with their weights; none outside the map. */
function corners(at: number, extent: number): Corner[] {
  if (at < -1 || at > extent) return [];
  const low = Math.floor(Math.max(at, 0));
  if (low >= extent - 1) return [[extent - 1, 1]];
  const fraction = Math.max(at, 0) - low;
  return [
    [low, 1 - fraction],
    [low + 1, fraction],
  ];
}

/** Calls `visit` for every feature a bin reads: flat indices into features and y, and the weight. */
function visitSamples(
  rois: ArrayLike<number>,
  s: RoIAlignShape,
  visit: (feature: number, output: number, weight: number) => void,
): void {
  const { channels, height, width, outputSize, spatialScale, samplingRatio } = s;
  const axis = (low: number, high: number) => {
    const start = low * spatialScale - 0.5;
    const bin = (high * spatialScale - 0.5 - start) / outputSize;
    return { start, bin, samples: samplingRatio || Math.max(0, Math.ceil(bin)) };
  };
  for (let r = 0; r < s.rois; r++) {
    const [image, x1, y1, x2, y2] = Array.from({ length: 5 }, (_, k) => rois[r * 5 + k]);
    const ys = axis(y1, y2);
    const xs = axis(x1, x2);
    const at = ({ start, bin, samples }: typeof ys, p: number, i: number) =>
      start + p * bin + ((i + 0.5) * bin) / samples;
    for (let p = 0; p < outputSize * outputSize; p++) {
      for (let i = 0; i < ys.samples * xs.samples; i++) {
        const rows = corners(at(ys, Math.floor(p / outputSize), Math.floor(i / xs.samples)), height);
        const columns = corners(at(xs, p % outputSize, i % xs.samples), width);
        for (const [row, wy] of rows) {
          for (const [column, wx] of columns) {
            for (let c = 0; c < channels; c++) {
              const feature = ((image * channels + c) * height + row) * width + column;
              const output = (r * channels + c) * outputSize * outputSize + p;
              visit(feature, output, (wy * wx) / (ys.samples * xs.samples));
            }
          }
        }
      }
    }
  }
}

/** y [R, C, S, S]. */
export function roiAlign(features: ArrayLike<number>, rois: ArrayLike<number>, shape: RoIAlignShape): Float64Array {
  const y = new Float64Array(shape.rois * shape.channels * shape.outputSize ** 2);
  visitSamples(rois, shape, (feature, output, weight) => {
    y[output] += weight * features[feature];
  });
  return y;
}

/** dfeatures [B, C, H, W]. */
export function roiAlignBackward(dy: ArrayLike<number>, rois: ArrayLike<number>, shape: RoIAlignShape): Float64Array {
  const { batch, channels, height, width } = shape;
  const dfeatures = new Float64Array(batch * channels * height * width);
  visitSamples(rois, shape, (feature, output, weight) => {
    dfeatures[feature] += weight * dy[output];
  });
  return dfeatures;
}

/** y [R, 2C, S, S]. */
export function maskFuse(
  x: ArrayLike<number>,
  masks: ArrayLike<number>,
  { rois, channels, bins }: MaskFuseShape,
): Float64Array {
  return Float64Array.from({ length: 2 * rois * channels * bins }, (_, i) => {
    const bin = i % bins;
    const channel = Math.floor(i / bins) % (2 * channels);
    const roi = Math.floor(i / (2 * channels * bins));
    const value = x[(roi * channels + (channel % channels)) * bins + bin];
    return channel < channels ? value : value * masks[roi * bins + bin];
  });
}

/** dx [R, C, S, S]. */
export function maskFuseBackward(dy: ArrayLike<number>, masks: ArrayLike<number>, shape: MaskFuseShape): Float64Array {
  const { rois, channels, bins } = shape;
  return Float64Array.from({ length: rois * channels * bins }, (_, i) => {
    const roi = Math.floor(i / (channels * bins));
    const whole = i + roi * channels * bins;
    return dy[whole] + masks[roi * bins + (i % bins)] * dy[whole + channels * bins];
  });
}
