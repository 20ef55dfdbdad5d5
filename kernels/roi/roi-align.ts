/**
 * RoIAlign (He et al. 2017) as mmcv computes it with aligned=True: RoI corners times the scale less half a cell,
 * average of bilinear samples, no minimum size; samples more than one cell outside the map count as 0.
 *
 * features [B, C, H, W]; rois [R, 5] = (batch index, x1, y1, x2, y2) in input pixels; y [R, C, S, S].
 *
 * Bilinear sampling on a grid is separable: a bin is Σ_row Σ_column wy·wx·feature, where wy sums what the bin's sample
 * rows give to that map row. So each cell under a bin is loaded once, not once for every sample near it, and the
 * gradient is the same sum read from the other side: each cell gathers from the bins that reach it. That needs no
 * atomics and gives the same result in every run. `roiWeights` tabulates wy and wx once for both directions.
 *
 * CPU reference: roi.reference.ts, sample by sample.
 */
import { type Binding, defineKernel, f32, type Kernel, linearGrid, linearIndex, read, u32, wgsl, write } from '../kernel.ts';

const WORKGROUP = 64;
/** Channels that one invocation computes. */
const CHANNELS = 8;

export interface RoIAlignShape {
  readonly rois: number;
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** S: bins per side. */
  readonly outputSize: number;
  /** Cells per input pixel. */
  readonly spatialScale: number;
  /** Samples per bin and direction; 0 takes the bin's size in cells, rounded up. */
  readonly samplingRatio: number;
}

const uniformsOf = (s: RoIAlignShape) => ({
  rois: u32(s.rois),
  channels: u32(s.channels),
  height: u32(s.height),
  width: u32(s.width),
  size: u32(s.outputSize),
  scale: f32(s.spatialScale),
  samples: u32(s.samplingRatio),
});

const channelGroups = (channels: number): number => Math.ceil(channels / CHANNELS);
/** One line of WGSL for each channel of the group. */
const forChannels = (line: (k: number) => string): string => Array.from({ length: CHANNELS }, (_, k) => line(k)).join('\n');

/** WGSL: the samples of a RoI along one axis, and what they give to a cell. */
const AXIS = `
struct Axis {
  start: f32,    // in cells
  bin: f32,      // length of a bin in cells
  samples: f32,  // per bin
}

fn axisOf(low: f32, high: f32) -> Axis {
  let start = low * u.scale - 0.5;
  let length = (high * u.scale - 0.5) - start;
  let size = f32(u.size);
  var samples = f32(u.samples);
  if (u.samples == 0u) {
    // ⌈length / size⌉, exactly: a GPU's division may be off by a few units in the last place.
    samples = ceil(length / size);
    if ((samples - 1.0) * size >= length) { samples -= 1.0; }
    if (samples * size < length) { samples += 1.0; }
  }
  return Axis(start, length / size, max(samples, 0.0));
}`;

/** Shape of the table of {@link roiWeights}. */
export const roiWeightsShape = ({ rois, height, width, outputSize }: RoIAlignShape): readonly number[] => [
  height + width,
  rois,
  outputSize + 2,
];

/**
 * table [H + W, R, S + 2]: for each map row, then each column, and each RoI: the end and the start of the bins that
 * the cell weighs in (end 0: none), then its weight in every bin.
 */
export function roiWeights(shape: RoIAlignShape): Kernel<'rois' | 'table'> {
  const items = shape.rois * (shape.height + shape.width);
  return defineKernel({
    name: 'roi.weights',
    bindings: { rois: read(), table: write() },
    uniforms: { ...uniformsOf(shape), items: u32(items) },
    grid: linearGrid(items, WORKGROUP),
    bytes: 4 * items * (shape.outputSize + 2),
    source: () => wgsl`${AXIS}

/** Mean over the samples of bin p of their bilinear weight on a cell, 'extent' cells being there. */
fn weightOf(axis: Axis, p: u32, cell: f32, extent: f32) -> f32 {
  if (axis.samples == 0.0) { return 0.0; }
  let step = axis.bin / axis.samples;
  let base = axis.start + f32(p) * axis.bin;
  // Only samples within one cell count; the slack covers rounding, for a sample too many changes nothing.
  let perStep = 1.0 / max(step, 1e-6);
  let first = ceil((cell - 1.0 - base) * perStep - 0.51);
  let last = floor((cell + 1.0 - base) * perStep - 0.49);
  var sum = 0.0;
  for (var s = max(first, 0.0); s <= min(last, axis.samples - 1.0); s += 1.0) {
    let at = base + (s + 0.5) * step;
    let weight = max(0.0, 1.0 - abs(clamp(at, 0.0, extent - 1.0) - cell));
    sum += select(0.0, weight, at >= -1.0 && at <= extent);
  }
  return sum / axis.samples;
}
${linearIndex(WORKGROUP)}
  if (i >= u.items) { return; }
  let roi = i % u.rois;
  let line = i / u.rois;
  let vertical = line < u.height;
  let cell = f32(select(line - u.height, line, vertical));
  let extent = f32(select(u.width, u.height, vertical));
  let low = roi * 5u + select(1u, 2u, vertical);
  let axis = axisOf(rois[low], rois[low + 2u]);
  let entry = i * (u.size + 2u);
  var start = 0u;
  var end = 0u;
  for (var p = 0u; p < u.size; p++) {
    let weight = weightOf(axis, p, cell, extent);
    table[entry + 2u + p] = weight;
    if (weight > 0.0) {
      if (end == 0u) { start = p; }
      end = p + 1u;
    }
  }
  table[entry] = f32(end);
  table[entry + 1u] = f32(start);
}`,
  });
}

/**
 * y [R, C, S, S] from the table of {@link roiWeights}. With `mask`, masks [R, S, S] are bound too and y is
 * [R, 2C, S, S]: the features, then the features times the mask (MaskFuse's input).
 */
export function roiAlign({ mask, ...shape }: RoIAlignShape & { mask: boolean }): Kernel {
  const { rois, channels, outputSize } = shape;
  const bins = outputSize * outputSize;
  const items = rois * channelGroups(channels) * bins;
  const bindings: Record<string, Binding> = {
    features: read(),
    rois: read(),
    table: read(),
    ...(mask ? { masks: read() } : {}),
    y: write(),
  };
  return defineKernel({
    name: 'roi.align',
    constants: { mask },
    bindings,
    uniforms: { ...uniformsOf(shape), items: u32(items) },
    grid: linearGrid(items, WORKGROUP),
    bytes: 4 * ((mask ? 2 : 1) * rois * channels * bins + shape.batch * channels * shape.height * shape.width),
    source: (c) => wgsl`${AXIS}

/** The cells that the samples of bin p may touch. */
fn reachOf(axis: Axis, p: u32, extent: f32) -> vec2u {
  let margin = 0.5 * axis.bin / max(axis.samples, 1.0) - 0.001;
  let base = axis.start + f32(p) * axis.bin;
  return vec2u(clamp(vec2f(floor(base + margin), floor(base + axis.bin - margin) + 1.0), vec2f(0.0), vec2f(extent - 1.0)));
}
${linearIndex(WORKGROUP)}
  if (i >= u.items) { return; }
  let bins = u.size * u.size;
  let groups = (u.channels + ${CHANNELS - 1}u) / ${CHANNELS}u;
  let bin = i % bins;
  let first = (i / bins) % groups * ${CHANNELS}u;
  let roi = i / (bins * groups);
  let py = bin / u.size;
  let px = bin % u.size;
  let ys = axisOf(rois[roi * 5u + 2u], rois[roi * 5u + 4u]);
  let xs = axisOf(rois[roi * 5u + 1u], rois[roi * 5u + 3u]);
  let rows = reachOf(ys, py, f32(u.height));
  let columns = reachOf(xs, px, f32(u.width));
  let entry = u.size + 2u;
  let plane = u.height * u.width;
  let image = u32(rois[roi * 5u]) * u.channels;
${forChannels((k) => `  let plane${k} = (image + min(first + ${k}u, u.channels - 1u)) * plane;\n  var sum${k} = 0.0;`)}
  for (var row = rows.x; row <= rows.y; row++) {
    let wy = table[(row * u.rois + roi) * entry + 2u + py];
    for (var column = columns.x; column <= columns.y; column++) {
      let w = wy * table[((u.height + column) * u.rois + roi) * entry + 2u + px];
      let cell = row * u.width + column;
${forChannels((k) => `      sum${k} += w * features[plane${k} + cell];`)}
    }
  }
#if ${c.mask}
  let out = roi * 2u * u.channels * bins + bin;
  let masked = out + u.channels * bins;
  let m = masks[roi * bins + bin];
${forChannels((k) => `  if (first + ${k}u < u.channels) {
    y[out + (first + ${k}u) * bins] = sum${k};
    y[masked + (first + ${k}u) * bins] = sum${k} * m;
  }`)}
#else
  let out = roi * u.channels * bins + bin;
${forChannels((k) => `  if (first + ${k}u < u.channels) { y[out + (first + ${k}u) * bins] = sum${k}; }`)}
#endif
}`,
  });
}

/** dfeatures [B, C, H, W] (+)= the gradient of {@link roiAlign} without masks, from dy [R, C, S, S] and the table. */
export function roiAlignBackward({
  accumulate,
  ...shape
}: RoIAlignShape & { accumulate: boolean }): Kernel<'dy' | 'rois' | 'table' | 'dfeatures'> {
  const { batch, channels, height, width, outputSize } = shape;
  const items = batch * channelGroups(channels) * height * width;
  return defineKernel({
    name: 'roi.alignBackward',
    bindings: { dy: read(), rois: read(), table: read(), dfeatures: write() },
    uniforms: { ...uniformsOf(shape), items: u32(items), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(items, WORKGROUP),
    bytes: 4 * (shape.rois * channels * outputSize * outputSize + batch * channels * height * width),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.items) { return; }
  let plane = u.height * u.width;
  let groups = (u.channels + ${CHANNELS - 1}u) / ${CHANNELS}u;
  let cell = i % plane;
  let first = (i / plane) % groups * ${CHANNELS}u;
  let image = i / (plane * groups);
  let entry = u.size + 2u;
  let row = cell / u.width * u.rois;
  let column = (u.height + cell % u.width) * u.rois;
  let bins = u.size * u.size;
${forChannels((k) => `  let channel${k} = min(first + ${k}u, u.channels - 1u) * bins;\n  var sum${k} = 0.0;`)}
  for (var roi = 0u; roi < u.rois; roi++) {
    if (u32(rois[roi * 5u]) != image) { continue; }
    let ys = (row + roi) * entry;
    let yEnd = u32(table[ys]);
    if (yEnd == 0u) { continue; }
    let xs = (column + roi) * entry;
    let xEnd = u32(table[xs]);
    if (xEnd == 0u) { continue; }
    let xStart = u32(table[xs + 1u]);
    for (var py = u32(table[ys + 1u]); py < yEnd; py++) {
      let wy = table[ys + 2u + py];
      for (var px = xStart; px < xEnd; px++) {
        let w = wy * table[xs + 2u + px];
        let bin = roi * u.channels * bins + py * u.size + px;
${forChannels((k) => `        sum${k} += w * dy[bin + channel${k}];`)}
      }
    }
  }
  let out = image * u.channels * plane + cell;
${forChannels((k) => `  if (first + ${k}u < u.channels) {
    let at = out + (first + ${k}u) * plane;
    dfeatures[at] = sum${k} + select(0.0, dfeatures[at], u.accumulate == 1u);
  }`)}
}`,
  });
}
