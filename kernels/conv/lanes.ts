/**
 * Convolution with a lane per output channel: a subgroup computes `rows`×`columns` pixels of subgroup-size × `channels`
 * output channels. Its lanes fetch the patch of input pixels together, each another pixel, and broadcast them; every
 * lane loads the weights of its own channels. Few loads a product: the fastest on software GPUs, where loads dominate.
 */
import { defineKernel, each, type Kernel, read, type Scalar, u32, wgsl, write } from '../kernel.ts';
import {
  distinct,
  epilogueUniforms,
  FORWARD_BINDINGS,
  type PassConstants,
  passDispatch,
  reach,
  storeEpilogue,
  tileStep,
} from './pass.ts';
import type { ConvEpilogue, ConvShape } from './shape.ts';

/** Tile of a subgroup; all sizes are constants of the kernel. */
export interface ConvLanes {
  /** Pixels of the result a subgroup computes; in an input gradient multiples of the stride. */
  readonly rows: number;
  /** Likewise, in a row. */
  readonly columns: number;
  /** Channels of the result a lane computes. */
  readonly channels: number;
  /** The subgroup size the kernel is written for. */
  readonly subgroup: number;
}

/**
 * y = conv(x, weight) through the epilogue.
 * Binds x [n,ci,h,w], weight [co,ci,kh,kw], bias [co], residual and y [n,co,ho,wo]; any f32 tensor stands for a bias or
 * residual that the epilogue lacks.
 */
export const convForwardLanes = (
  s: ConvShape,
  tile: ConvLanes,
  epilogue: ConvEpilogue,
): Kernel<'x' | 'weight' | 'bias' | 'residual' | 'y'> =>
  defineKernel({
    ...description(s, tile, false, epilogueUniforms(epilogue)),
    name: 'conv.forward.lanes',
    bindings: FORWARD_BINDINGS,
  });

/**
 * dx (+)= the gradient of {@link convForwardLanes} (without its epilogue) to x.
 * Binds weight [co,ci,kh,kw], dy [n,co,ho,wo], dx [n,ci,h,w].
 */
export const convInputGradientLanes = (
  s: ConvShape,
  tile: ConvLanes,
  accumulate: boolean,
): Kernel<'dy' | 'weight' | 'dx'> =>
  defineKernel({
    ...description(s, tile, true, { accumulate: u32(accumulate ? 1 : 0) }),
    name: 'conv.inputGradient.lanes',
    bindings: { dy: read(), weight: read(), dx: write() },
  });

type Constants = PassConstants & ConvLanes;

function description(s: ConvShape, tile: ConvLanes, backward: boolean, epilogue: Record<string, Scalar>) {
  const group = { tiles: 1, channels: tile.channels * tile.subgroup };
  return {
    ...passDispatch(s, tile, backward, group, epilogue),
    requires: { features: ['subgroups'] as const, subgroupSize: tile.subgroup },
    source,
  };
}

function source(c: Constants): string {
  const { rows, columns, channels, subgroup, kh, kw, backward } = c;
  const taps = kh * kw;
  const pixels = rows * columns;
  const reachY = reach(rows, kh, c);
  const reachX = reach(columns, kw, c);
  const patchY = distinct(reachY.flat());
  const patchX = distinct(reachX.flat());
  const patch = patchY.length * patchX.length;
  // Pixels of the patch that each lane fetches.
  const shares = Math.ceil(patch / subgroup);
  const sums = channels * pixels;

  const products: string[] = [];
  for (const [r, y] of patchY.entries()) {
    for (const [q, x] of patchX.entries()) {
      const uses: string[] = [];
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          for (let t = 0; t < taps; t++) {
            if (reachY[i][Math.floor(t / kw)] !== y || reachX[j][t % kw] !== x) continue;
            for (let v = 0; v < channels; v++) uses.push(`a${v * pixels + i * columns + j} += w${v}_${t} * g;`);
          }
        }
      }
      const at = r * patchX.length + q;
      if (uses.length > 0) {
        products.push(
          `{ let g = subgroupBroadcast(g${Math.floor(at / subgroup)}, ${at % subgroup}u); ${uses.join(' ')} }`,
        );
      }
    }
  }

  return wgsl`
enable subgroups;
diagnostic(off, subgroup_uniformity);
const patchY = array<i32, ${patchY.length}>(${patchY.join(', ')});
const patchX = array<i32, ${patchX.length}>(${patchX.join(', ')});
@compute @workgroup_size(${subgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32) {
  let tile = group.y * groups.x + group.x;
  let tileX = tile % u.tilesX;
  let tileY = tile / u.tilesX % u.tilesY;
  let n = tile / (u.tilesX * u.tilesY);
  let o = group.z * ${channels * subgroup}u + lane;
  ${each(channels, (v) => `let first${v} = min(o + ${v * subgroup}u, u.channelsOut - 1u) * u.weightOut;`)}
  // Lane l fetches, of the ${patchY.length}×${patchX.length} input pixels row by row, those at l, l + ${subgroup}, …
  ${each(
    shares,
    (j) => `let at${j} = min(lane + ${j * subgroup}u, ${patch - 1}u);
  let iy${j} = u32(u.origin + i32(tileY) * ${tileStep(rows, c)} + patchY[at${j} / ${patchX.length}u]);
  let ix${j} = u32(u.origin + i32(tileX) * ${tileStep(columns, c)} + patchX[at${j} % ${patchX.length}u]);
  let own${j} = iy${j} * u.widthIn + ix${j};
  let in${j} = iy${j} < u.heightIn && ix${j} < u.widthIn;`,
  )}
  ${each(sums, (i) => `var a${i} = 0.0;`, ' ')}
  var plane = n * u.channelsIn * u.heightIn * u.widthIn;
  var kernelAt = 0u;
  for (var c = 0u; c < u.channelsIn; c++) {
    ${each(shares, (j) => `let g${j} = select(0.0, ${backward ? 'dy' : 'x'}[plane + own${j}], in${j});`)}
    ${each(channels, (v) => each(taps, (t) => `let w${v}_${t} = weight[first${v} + kernelAt + ${t}u];`))}
    ${products.join('\n    ')}
    plane += u.heightIn * u.widthIn;
    kernelAt += u.weightIn;
  }
  if (tile >= u.tiles) { return; }
  // Loops over an array compile many times faster than as many guarded stores, unless they are unrolled again:
  // they start from a number known only at run time.
  var sums = array<f32, ${sums}>(${each(sums, (i) => `a${i}`, ', ')});
  let yOut = tileY * ${rows}u;
  let xOut = tileX * ${columns}u;
  var first = 0u;
  for (var channel = o; channel < min(o + ${channels * subgroup}u, u.channelsOut); channel += ${subgroup}u) {
    for (var yy = yOut; yy < min(yOut + ${rows}u, u.heightOut); yy++) {
      let row = ((n * u.channelsOut + channel) * u.heightOut + yy) * u.widthOut;
      let offset = first + (yy - yOut) * ${columns}u - xOut;
      for (var xx = xOut; xx < min(xOut + ${columns}u, u.widthOut); xx++) {
        var sum = sums[offset + xx];
#if ${backward}
        if (u.accumulate == 1u) { sum += dx[row + xx]; }
        dx[row + xx] = sum;
#else
        ${storeEpilogue('sum', 'channel', 'row + xx')}
#endif
      }
    }
    first += ${pixels}u;
  }
}`;
}
