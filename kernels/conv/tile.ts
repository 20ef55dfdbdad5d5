/**
 * Convolution in register tiles, portable: an invocation computes `rows`×`columns` pixels of `channels` output channels,
 * all its products unrolled over the taps and looped over the input channels. All lanes load the same weights.
 */
import { defineKernel, type Kernel, read, type Scalar, u32, wgsl, write } from '../kernel.ts';
import {
  distinct,
  epilogueUniforms,
  FORWARD_BINDINGS,
  type PassConstants,
  passDispatch,
  range,
  reach,
  storeEpilogue,
  tileStep,
} from './pass.ts';
import type { ConvEpilogue, ConvShape } from './shape.ts';

/** Tile of an invocation; all sizes are constants of the kernel. */
export interface ConvTile {
  /** Pixels of the result an invocation computes; in an input gradient multiples of the stride. */
  readonly rows: number;
  /** Likewise, in a row. */
  readonly columns: number;
  /** Channels of the result an invocation computes. */
  readonly channels: number;
}

const WORKGROUP = 64;

/**
 * y = conv(x, weight) through the epilogue.
 * Binds x [n,ci,h,w], weight [co,ci,kh,kw], bias [co], residual and y [n,co,ho,wo]; any f32 tensor stands for a bias or
 * residual that the epilogue lacks.
 */
export const convForwardTile = (
  s: ConvShape,
  tile: ConvTile,
  epilogue: ConvEpilogue,
): Kernel<'x' | 'weight' | 'bias' | 'residual' | 'y'> =>
  defineKernel({
    ...description(s, tile, false, epilogueUniforms(epilogue)),
    name: 'conv.forward.tile',
    bindings: FORWARD_BINDINGS,
  });

/**
 * dx (+)= the gradient of {@link convForwardTile} (without its epilogue) to x.
 * Binds weight [co,ci,kh,kw], dy [n,co,ho,wo], dx [n,ci,h,w].
 */
export const convInputGradientTile = (
  s: ConvShape,
  tile: ConvTile,
  accumulate: boolean,
): Kernel<'dy' | 'weight' | 'dx'> =>
  defineKernel({
    ...description(s, tile, true, { accumulate: u32(accumulate ? 1 : 0) }),
    name: 'conv.inputGradient.tile',
    bindings: { dy: read(), weight: read(), dx: write() },
  });

type Constants = PassConstants & ConvTile;

function description(s: ConvShape, tile: ConvTile, backward: boolean, epilogue: Record<string, Scalar>) {
  const group = { tiles: WORKGROUP, channels: tile.channels };
  return {
    ...passDispatch(s, tile, backward, group, epilogue),
    source,
  };
}

/** A position as part of a WGSL name. */
const name = (position: number): string => (position < 0 ? `m${-position}` : `${position}`);

function source(c: Constants): string {
  const { rows, columns, channels, kh, kw, backward } = c;
  const taps = kh * kw;
  const pixels = rows * columns;
  const sums = channels * pixels;
  const reachY = reach(rows, kh, c);
  const reachX = reach(columns, kw, c);
  const patchY = distinct(reachY.flat());
  const patchX = distinct(reachX.flat());
  const each = <T>(items: readonly T[], line: (item: T) => string, separator = '\n    '): string =>
    items.map(line).join(separator);

  const inputs: string[] = [];
  for (const r of patchY) {
    for (const q of patchX) {
      const at = `plane + row${name(r)} + column${name(q)}`;
      inputs.push(
        `let v${name(r)}_${name(q)} = select(0.0, ${backward ? 'dy' : 'x'}[${at}], inY${name(r)} && inX${name(q)});`,
      );
    }
  }
  const products: string[] = [];
  for (let o = 0; o < channels; o++) {
    for (let t = 0; t < taps; t++) {
      const uses: string[] = [];
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          const r = reachY[i][Math.floor(t / kw)];
          const q = reachX[j][t % kw];
          if (r !== undefined && q !== undefined) {
            uses.push(`a${o * pixels + i * columns + j} += v${name(r)}_${name(q)} * w;`);
          }
        }
      }
      if (uses.length > 0) products.push(`{ let w = weight[first${o} + kernelAt + ${t}u]; ${uses.join(' ')} }`);
    }
  }

  return wgsl`
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32) {
  let tile = (group.y * groups.x + group.x) * ${WORKGROUP}u + local;
  let tileX = tile % u.tilesX;
  let tileY = tile / u.tilesX % u.tilesY;
  let n = min(tile, u.tiles - 1u) / (u.tilesX * u.tilesY);
  let o = group.z * ${channels}u;
  let y0 = u.origin + i32(tileY) * ${tileStep(rows, c)};
  let x0 = u.origin + i32(tileX) * ${tileStep(columns, c)};
  ${each(patchY, (r) => `let row${name(r)} = u32(y0 + ${r}) * u.widthIn; let inY${name(r)} = u32(y0 + ${r}) < u.heightIn;`)}
  ${each(patchX, (q) => `let column${name(q)} = u32(x0 + ${q}); let inX${name(q)} = u32(x0 + ${q}) < u.widthIn;`)}
  ${each(range(channels), (i) => `let first${i} = min(o + ${i}u, u.channelsOut - 1u) * u.weightOut;`)}
  ${each(range(sums), (i) => `var a${i} = 0.0;`, ' ')}
  var plane = n * u.channelsIn * u.heightIn * u.widthIn;
  var kernelAt = 0u;
  for (var c = 0u; c < u.channelsIn; c++) {
    ${inputs.join('\n    ')}
    ${products.join('\n    ')}
    plane += u.heightIn * u.widthIn;
    kernelAt += u.weightIn;
  }
  if (tile >= u.tiles) { return; }
  // Loops over an array compile many times faster than as many guarded stores, unless they are unrolled again:
  // they start from a number known only at run time.
  var sums = array<f32, ${sums}>(${each(range(sums), (i) => `a${i}`, ', ')});
  let yOut = tileY * ${rows}u;
  let xOut = tileX * ${columns}u;
  for (var channel = o; channel < min(o + ${channels}u, u.channelsOut); channel++) {
    for (var yy = yOut; yy < min(yOut + ${rows}u, u.heightOut); yy++) {
      let row = ((n * u.channelsOut + channel) * u.heightOut + yy) * u.widthOut;
      let offset = ((channel - o) * ${rows}u + yy - yOut) * ${columns}u - xOut;
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
  }
}`;
}
