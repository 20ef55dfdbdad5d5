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
import {
  type Binding,
  defineKernel,
  f32,
  type Kernel,
  linearGrid,
  linearIndex,
  read,
  u32,
  wgsl,
  write,
} from '../kernel.ts';

const WORKGROUP = 64;
/** Channels that one invocation computes: they share its weights. */
const FORWARD_CHANNELS = 16;
const BACKWARD_CHANNELS = 8;

/** Features [batch, channels, height, width] and rois [rois, 5]. */
export interface RoIAlignShape {
  /** R. */
  readonly rois: number;
  /** B. */
  readonly batch: number;
  /** C. */
  readonly channels: number;
  /** Rows of the feature map. */
  readonly height: number;
  /** Columns of the feature map. */
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

/** One line of WGSL for each of `count` channels. */
const forChannels = (count: number, line: (k: number) => string): string =>
  Array.from({ length: count }, (_, k) => line(k)).join('\n');
/** WGSL: `body` with the channel `c` and its `sum`, for each from `first` on. As many guarded stores would compile for a second. */
const forSums = (count: number, type: 'f32' | 'vec4f', body: string): string => `
  var sums = array<${type}, ${count}>(${Array.from({ length: count }, (_, k) => `sum${k}`).join(', ')});
  for (var c = first; c < min(first + ${count}u, u.channels); c++) {
    let sum = sums[c - first];
    ${body}
  }`;

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
 * the cell weighs in (0 and S: none), then its weight in every bin.
 * Binds rois [R, 5] and table.
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
  var start = u.size;
  var end = 0u;
  for (var p = 0u; p < u.size; p++) {
    let weight = weightOf(axis, p, cell, extent);
    table[entry + 2u + p] = weight;
    if (weight > 0.0) {
      start = min(start, p);
      end = p + 1u;
    }
  }
  table[entry] = f32(end);
  table[entry + 1u] = f32(start);
}`,
  });
}

/**
 * ranges [B, 2]: the first RoI of each image, and one behind the last, so that a gather need not look at all. RoIs of
 * other images may lie between.
 * Binds rois [R, 5] and ranges u32.
 */
export function roiRanges({ rois, batch }: Pick<RoIAlignShape, 'rois' | 'batch'>): Kernel<'rois' | 'ranges'> {
  return defineKernel({
    name: 'roi.ranges',
    bindings: { rois: read(), ranges: write('u32') },
    uniforms: { rois: u32(rois) },
    grid: [batch, 1, 1],
    bytes: 20 * rois,
    source: () => wgsl`
var<workgroup> firsts: array<u32, ${WORKGROUP}>;
var<workgroup> ends: array<u32, ${WORKGROUP}>;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) image: vec3u, @builtin(local_invocation_index) lane: u32) {
  var first = u.rois;
  var end = 0u;
  for (var r = lane; r < u.rois; r += ${WORKGROUP}u) {
    if (u32(rois[r * 5u]) == image.x) {
      first = min(first, r);
      end = r + 1u;
    }
  }
  firsts[lane] = first;
  ends[lane] = end;
  workgroupBarrier();
  if (lane != 0u) { return; }
  for (var k = 1u; k < ${WORKGROUP}u; k++) {
    first = min(first, firsts[k]);
    end = max(end, ends[k]);
  }
  ranges[image.x * 2u] = first;
  ranges[image.x * 2u + 1u] = end;
}`,
  });
}

/**
 * y [R, C, S, S] from the table of {@link roiWeights}. With `mask`, masks [R, S, S] are bound too and y
 * becomes [R, 2C, S, S]: the features, then the features times the mask (MaskFuse's input).
 */
export function roiAlign({ mask = false, ...shape }: RoIAlignShape & { mask?: boolean }): Kernel {
  const { rois, channels, outputSize } = shape;
  const bins = outputSize * outputSize;
  const items = rois * Math.ceil(channels / FORWARD_CHANNELS) * bins;
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
  let groups = (u.channels + ${FORWARD_CHANNELS - 1}u) / ${FORWARD_CHANNELS}u;
  let bin = i % bins;
  let first = (i / bins) % groups * ${FORWARD_CHANNELS}u;
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
${forChannels(FORWARD_CHANNELS, (k) => `  let plane${k} = (image + min(first + ${k}u, u.channels - 1u)) * plane;\n  var sum${k} = 0.0;`)}
  for (var row = rows.x; row <= rows.y; row++) {
    let wy = table[(row * u.rois + roi) * entry + 2u + py];
    for (var column = columns.x; column <= columns.y; column++) {
      let w = wy * table[((u.height + column) * u.rois + roi) * entry + 2u + px];
      let cell = row * u.width + column;
${forChannels(FORWARD_CHANNELS, (k) => `      sum${k} += w * features[plane${k} + cell];`)}
    }
  }
#if ${c.mask}
  let out = roi * 2u * u.channels * bins + bin;
  let masked = out + u.channels * bins;
  let m = masks[roi * bins + bin];
  ${forSums(FORWARD_CHANNELS, 'f32', 'y[out + c * bins] = sum; y[masked + c * bins] = sum * m;')}
#else
  let out = roi * u.channels * bins + bin;
  ${forSums(FORWARD_CHANNELS, 'f32', 'y[out + c * bins] = sum;')}
#endif
}`,
  });
}

/**
 * dfeatures [B, C, H, W] (+)= the gradient of {@link roiAlign} without masks, from dy [R, C, S, S], the table
 * and the ranges of {@link roiRanges}.
 *
 * An invocation takes 2×2 cells: neighbours mostly gather from the same bins, so each loaded bin serves four cells.
 * Binds dy, rois [R, 5], ranges u32 [B, 2], table [H + W, R, S + 2], and dfeatures.
 */
export function roiAlignBackward({
  accumulate,
  ...shape
}: RoIAlignShape & { accumulate: boolean }): Kernel<'dy' | 'rois' | 'ranges' | 'table' | 'dfeatures'> {
  const { batch, channels, height, width, outputSize } = shape;
  const groups = Math.ceil(channels / BACKWARD_CHANNELS);
  const items = batch * groups * Math.ceil(height / 2) * Math.ceil(width / 2);
  return defineKernel({
    name: 'roi.alignBackward',
    bindings: { dy: read(), rois: read(), ranges: read('u32'), table: read(), dfeatures: write() },
    uniforms: { ...uniformsOf(shape), items: u32(items), groups: u32(groups), accumulate: u32(accumulate ? 1 : 0) },
    grid: linearGrid(items, WORKGROUP),
    bytes: 4 * (shape.rois * channels * outputSize * outputSize + batch * channels * height * width),
    source: () => wgsl`
fn store(row: u32, column: u32, plane: u32, value: f32) {
  if (row >= u.height || column >= u.width) { return; }
  let at = (plane * u.height + row) * u.width + column;
  var sum = value;
  if (u.accumulate == 1u) { sum += dfeatures[at]; }
  dfeatures[at] = sum;
}
${linearIndex(WORKGROUP)}
  if (i >= u.items) { return; }
  // Neighbouring invocations share cells, not channels: they meet the same RoIs.
  let first = i % u.groups * ${BACKWARD_CHANNELS}u;
  let tilesX = (u.width + 1u) / 2u;
  let tilesY = (u.height + 1u) / 2u;
  let tile = i / u.groups;
  let column = tile % tilesX * 2u;
  let row = (tile / tilesX) % tilesY * 2u;
  let image = tile / (tilesX * tilesY);
  let entry = u.size + 2u;
  // The table's first entries of both rows and both columns.
  let ys = vec2u(row, min(row + 1u, u.height - 1u)) * u.rois * entry;
  let xs = (u.height + vec2u(column, min(column + 1u, u.width - 1u))) * u.rois * entry;
  let bins = u.size * u.size;
${forChannels(
  BACKWARD_CHANNELS,
  (k) => `  let channel${k} = min(first + ${k}u, u.channels - 1u) * bins;
  var sum${k} = vec4f(0.0);`,
)}
  for (var roi = ranges[image * 2u]; roi < ranges[image * 2u + 1u]; roi++) {
    let y = ys + roi * entry;
    let yEnd = u32(max(table[y.x], table[y.y]));
    if (yEnd == 0u) { continue; }
    let x = xs + roi * entry;
    let xEnd = u32(max(table[x.x], table[x.y]));
    if (xEnd == 0u || u32(rois[roi * 5u]) != image) { continue; }
    let xStart = u32(min(table[x.x + 1u], table[x.y + 1u]));
    for (var py = u32(min(table[y.x + 1u], table[y.y + 1u])); py < yEnd; py++) {
      let wy = vec2f(table[y.x + 2u + py], table[y.y + 2u + py]);
      for (var px = xStart; px < xEnd; px++) {
        let wx = vec2f(table[x.x + 2u + px], table[x.y + 2u + px]);
        let w = wy.xxyy * wx.xyxy;
        let bin = roi * u.channels * bins + py * u.size + px;
${forChannels(BACKWARD_CHANNELS, (k) => `        sum${k} += w * dy[bin + channel${k}];`)}
      }
    }
  }
${forSums(
  BACKWARD_CHANNELS,
  'vec4f',
  `let plane = image * u.channels + c;
    store(row, column, plane, sum.x);
    store(row, column + 1u, plane, sum.y);
    store(row + 1u, column, plane, sum.z);
    store(row + 1u, column + 1u, plane, sum.w);`,
)}
}`,
  });
}
