/**
 * The weight gradient in register tiles: lanes are input channels, an invocation holds all taps of `inputs` input by
 * `outputs` output channels and walks down strips of `columns` output pixels, keeping the rows of x that the next
 * output row needs again. dy is the same for all lanes: with subgroups they fetch it together and broadcast it.
 *
 * Workgroups share the strips of the batch out in parts, whose sums gemm.sumPartials adds in a fixed order.
 */
import { defineKernel, type Kernel, read, u32, wgsl, write } from '../kernel.ts';
import { type ConvShape, convBytes, convFlops, outputHeight, outputWidth } from './shape.ts';

/** Tile of an invocation; all sizes are constants of the kernel. */
export interface ConvWeightTile {
  /** Input channels that an invocation sums for. */
  readonly inputs: number;
  /** Output channels that an invocation sums for. */
  readonly outputs: number;
  /** Output pixels across a strip. */
  readonly columns: number;
  /** Lanes of a workgroup: the subgroup size where there are subgroups. */
  readonly workgroup: number;
  /** Whether lanes fetch dy together and broadcast it. */
  readonly subgroup: boolean;
}

/** How the strips of a batch are shared out: strips are cut to `rows` output rows, a part sums `units` of them. */
export interface ConvWeightSplit {
  /** Output rows of a strip. */
  readonly rows: number;
  /** Strips that one part sums. */
  readonly units: number;
  /** Partial sums that are added at the end; 1 where the kernel writes the gradient itself. */
  readonly parts: number;
}

/** Cuts the strips of all images into about `wantedParts` parts of equal length. */
export function splitStrips(s: ConvShape, columns: number, wantedParts: number): ConvWeightSplit {
  const height = outputHeight(s);
  const strips = s.n * Math.ceil(outputWidth(s) / columns);
  const rows = Math.ceil(height / Math.min(height, Math.max(1, Math.ceil(wantedParts / Math.max(1, strips)))));
  const total = strips * Math.ceil(height / rows);
  const units = Math.max(1, Math.ceil(total / wantedParts));
  return { rows, units, parts: Math.max(1, Math.ceil(total / units)) };
}

/**
 * The weight gradient in partial sums: partial [parts, co, ci, kh, kw]; with one part, `accumulate` adds to what is
 * there.
 * Binds x [n,ci,h,w], dy [n,co,ho,wo] and partial.
 */
export function convWeightGradientTile(
  s: ConvShape,
  tile: ConvWeightTile,
  split: ConvWeightSplit,
  accumulate: boolean,
): Kernel<'x' | 'dy' | 'partial'> {
  const { inputs, outputs, columns, workgroup, subgroup } = tile;
  const strips = Math.ceil(outputWidth(s) / columns);
  const chunks = Math.ceil(outputHeight(s) / split.rows);
  return defineKernel({
    name: 'conv.weightGradient.tile',
    constants: {
      inputs,
      outputs,
      columns,
      workgroup,
      subgroup,
      kh: s.kh,
      kw: s.kw,
      stride: s.stride,
      dilation: s.dilation,
    },
    bindings: { x: read(), dy: read(), partial: write() },
    uniforms: {
      ci: u32(s.ci),
      h: u32(s.h),
      w: u32(s.w),
      co: u32(s.co),
      ho: u32(outputHeight(s)),
      wo: u32(outputWidth(s)),
      padding: u32(s.padding),
      strips: u32(strips),
      chunks: u32(chunks),
      total: u32(s.n * strips * chunks),
      rows: u32(split.rows),
      units: u32(split.units),
      accumulate: u32(accumulate ? 1 : 0),
    },
    grid: [Math.ceil(s.ci / (workgroup * inputs)), Math.ceil(s.co / outputs), split.parts],
    requires: subgroup ? { features: ['subgroups'], subgroupSize: workgroup } : {},
    flops: convFlops(s),
    bytes: convBytes(s),
    source,
  });
}

interface Constants extends Record<string, number | boolean> {
  inputs: number;
  outputs: number;
  columns: number;
  workgroup: number;
  subgroup: boolean;
  kh: number;
  kw: number;
  stride: number;
  dilation: number;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function source(c: Constants): string {
  const { inputs, outputs, columns, workgroup, subgroup, kh, kw, stride, dilation } = c;
  const taps = kh * kw;
  // Rows of x under one row of outputs, of which `kept` are used again by the next.
  const window = (kh - 1) * dilation + 1;
  const kept = Math.max(0, window - stride);
  const warmup = Math.ceil(kept / stride);
  const usedColumns = [...new Set(range(columns).flatMap((p) => range(kw).map((t) => p * stride + t * dilation)))].sort(
    (a, b) => a - b,
  );
  const shares = subgroup ? Math.ceil((columns * outputs) / workgroup) : 0;
  const each = <T>(items: readonly T[], line: (item: T) => string, separator = '\n'): string =>
    items.map(line).join(separator);
  const at = (v: number, o: number, t: number) => (v * outputs + o) * taps + t;
  const sums = inputs * outputs * taps;

  const load = (rows: readonly number[]): string =>
    each(
      rows,
      (r) => `{
      let iy = i32(oy * ${stride}u + ${r}u) - i32(u.padding);
      let inY = iy >= 0 && iy < i32(u.h);
      let row = u32(iy) * u.w;
      ${each(range(inputs), (v) =>
        each(usedColumns, (q) => `x${v}_${r}_${q} = select(0.0, x[plane${v} + row + column + ${q}u], inY && inX${q});`),
      )}
    }`,
    );
  const products: string[] = [];
  for (const o of range(outputs)) {
    for (const p of range(columns)) {
      const q = o * columns + p;
      const value = subgroup
        ? `subgroupBroadcast(g${Math.floor(q / workgroup)}, ${q % workgroup}u)`
        : `select(0.0, dy[grow + first${o} + ${p}u], ox + ${p}u < u.wo)`;
      const adds = range(inputs).flatMap((v) =>
        range(taps).map((t) => {
          const xv = `x${v}_${Math.floor(t / kw) * dilation}_${p * stride + (t % kw) * dilation}`;
          return `a${at(v, o, t)} += ${xv} * g;`;
        }),
      );
      products.push(`{ let g = ${value}; ${adds.join(' ')} }`);
    }
  }

  return wgsl`
#if ${subgroup}
enable subgroups;
diagnostic(off, subgroup_uniformity);
#endif
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u,
#if ${subgroup}
  @builtin(subgroup_invocation_id) lane: u32) {
#else
  @builtin(local_invocation_index) lane: u32) {
#endif
  let c = group.x * ${workgroup * inputs}u + lane;
  let o = group.y * ${outputs}u;
  let area = u.ho * u.wo;
  // Lane l fetches, of the ${outputs} channels × ${columns} pixels of dy in this order, those at l, l + ${workgroup}, …
  ${each(
    range(shares),
    (j) => `let pixel${j} = (${j * workgroup}u + lane) % ${columns}u;
  let own${j} = min(o + (${j * workgroup}u + lane) / ${columns}u, u.co - 1u) * area + pixel${j};`,
  )}
  ${subgroup ? '' : each(range(outputs), (i) => `let first${i} = min(o + ${i}u, u.co - 1u) * area;`)}
  ${each(range(sums), (i) => `var a${i} = 0.0;`, ' ')}
  ${each(range(inputs), (v) => each(range(window), (r) => each(usedColumns, (q) => `var x${v}_${r}_${q} = 0.0;`, ' ')))}

  for (var unit = group.z * u.units; unit < min((group.z + 1u) * u.units, u.total); unit++) {
    let n = unit / (u.strips * u.chunks);
    let ox = unit % u.strips * ${columns}u;
    let firstRow = unit / u.strips % u.chunks * u.rows;
    let column = ox * ${stride}u - u.padding;
    ${each(usedColumns, (q) => `let inX${q} = column + ${q}u < u.w;`)}
    ${each(range(inputs), (v) => `let plane${v} = (n * u.ci + min(c + ${v * workgroup}u, u.ci - 1u)) * u.h * u.w;`)}
    let lastRow = min(firstRow + u.rows, u.ho);
    // The first steps only fill the window of x.
    for (var step = 0u; step < lastRow - firstRow + ${warmup}u; step++) {
      ${each(range(inputs), (v) => each(range(kept), (r) => each(usedColumns, (q) => `x${v}_${r}_${q} = x${v}_${r + stride}_${q};`, ' ')))}
      let oy = firstRow + step - ${warmup}u; // wraps below zero during the warm-up of the first rows
      ${load(range(window).slice(kept))}
      if (step >= ${warmup}u) {
        let grow = n * u.co * area + oy * u.wo + ox;
        ${each(range(shares), (j) => `let g${j} = select(0.0, dy[grow + own${j}], ox + pixel${j} < u.wo);`)}
        ${products.join('\n        ')}
      }
    }
  }

  // Loops over an array compile many times faster than as many guarded stores, unless they are unrolled again:
  // they start from a number known only at run time.
  var sums = array<f32, ${sums}>(${each(range(sums), (i) => `a${i}`, ', ')});
  var at = 0u;
  for (var input = c; input < c + ${workgroup * inputs}u; input += ${workgroup}u) {
    for (var output = o; output < o + ${outputs}u; output++) {
      let to = ((group.z * u.co + output) * u.ci + input) * ${taps}u;
      for (var t = to; t < to + ${taps}u; t++) {
        if (output < u.co && input < u.ci) {
          var sum = sums[at];
          if (u.accumulate == 1u) { sum += partial[t]; }
          partial[t] = sum;
        }
        at++;
      }
    }
  }
}`;
}
