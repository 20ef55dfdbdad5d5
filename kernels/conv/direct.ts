/**
 * Convolution straight from its definition, for any kernel size, stride, padding and dilation (all uniforms):
 * one pipeline each for forward, input gradient and weight gradient. The last resort of the ladder in conv.ts.
 */
import { defineKernel, type Kernel, linearGrid, linearIndex, read, type Scalar, u32, wgsl, write } from '../kernel.ts';
import { epilogueUniforms, FORWARD_BINDINGS, storeEpilogue } from './pass.ts';
import { type ConvEpilogue, type ConvShape, convBytes, convFlops, outputHeight, outputWidth } from './shape.ts';

/** Invocations of a workgroup, one an element of the result. */
export const WORKGROUP = 64;
/** Channels that one invocation computes. */
const CHANNELS = 4;

const uniforms = (s: ConvShape): Record<string, Scalar> => ({
  n: u32(s.n),
  ci: u32(s.ci),
  h: u32(s.h),
  w: u32(s.w),
  co: u32(s.co),
  kh: u32(s.kh),
  kw: u32(s.kw),
  ho: u32(outputHeight(s)),
  wo: u32(outputWidth(s)),
  stride: u32(s.stride),
  padding: u32(s.padding),
  dilation: u32(s.dilation),
});

/**
 * y = conv(x, weight) through the epilogue.
 * Binds x [n,ci,h,w], weight [co,ci,kh,kw], bias [co], residual and y [n,co,ho,wo]; any f32 tensor stands for a bias or
 * residual that the epilogue lacks.
 */
export function convForwardDirect(
  s: ConvShape,
  epilogue: ConvEpilogue,
): Kernel<'x' | 'weight' | 'bias' | 'residual' | 'y'> {
  const pixels = s.n * outputHeight(s) * outputWidth(s);
  const [gx, gy] = linearGrid(pixels, WORKGROUP);
  return defineKernel({
    name: 'conv.forward.direct',
    bindings: FORWARD_BINDINGS,
    uniforms: { ...uniforms(s), ...epilogueUniforms(epilogue) },
    grid: [gx, gy, pixels === 0 ? 0 : Math.ceil(s.co / CHANNELS)],
    flops: convFlops(s),
    bytes: convBytes(s),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n * u.ho * u.wo) { return; }
  let ox = i % u.wo;
  let oy = i / u.wo % u.ho;
  let n = i / (u.wo * u.ho);
  let o = gid.z * ${CHANNELS}u;
  let perOutput = u.ci * u.kh * u.kw;
  let w0 = o * perOutput;
  let w1 = min(o + 1u, u.co - 1u) * perOutput;
  let w2 = min(o + 2u, u.co - 1u) * perOutput;
  let w3 = min(o + 3u, u.co - 1u) * perOutput;
  var sum = vec4f();
  for (var c = 0u; c < u.ci; c++) {
    for (var ky = 0u; ky < u.kh; ky++) {
      let iy = i32(oy * u.stride + ky * u.dilation) - i32(u.padding);
      if (iy < 0 || iy >= i32(u.h)) { continue; }
      for (var kx = 0u; kx < u.kw; kx++) {
        let ix = i32(ox * u.stride + kx * u.dilation) - i32(u.padding);
        if (ix < 0 || ix >= i32(u.w)) { continue; }
        let k = (c * u.kh + ky) * u.kw + kx;
        sum += x[((n * u.ci + c) * u.h + u32(iy)) * u.w + u32(ix)] *
          vec4f(weight[w0 + k], weight[w1 + k], weight[w2 + k], weight[w3 + k]);
      }
    }
  }
  for (var j = 0u; j < ${CHANNELS}u && o + j < u.co; j++) {
    var v = sum[j];
    let at = ((n * u.co + o + j) * u.ho + oy) * u.wo + ox;
    ${storeEpilogue('v', 'o + j', 'at')}
  }
}`,
  });
}

/**
 * dx (+)= the gradient of {@link convForwardDirect} (without its epilogue) to x.
 * Binds weight [co,ci,kh,kw], dy [n,co,ho,wo], dx [n,ci,h,w].
 */
export function convInputGradientDirect(s: ConvShape, accumulate: boolean): Kernel<'dy' | 'weight' | 'dx'> {
  const pixels = s.n * s.h * s.w;
  const [gx, gy] = linearGrid(pixels, WORKGROUP);
  return defineKernel({
    name: 'conv.inputGradient.direct',
    bindings: { dy: read(), weight: read(), dx: write() },
    uniforms: { ...uniforms(s), accumulate: u32(accumulate ? 1 : 0) },
    grid: [gx, gy, pixels === 0 ? 0 : Math.ceil(s.ci / CHANNELS)],
    flops: convFlops(s),
    bytes: convBytes(s),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  if (i >= u.n * u.h * u.w) { return; }
  let ix = i % u.w;
  let iy = i / u.w % u.h;
  let n = i / (u.w * u.h);
  let c = gid.z * ${CHANNELS}u;
  let taps = u.kh * u.kw;
  let w0 = c * taps;
  let w1 = min(c + 1u, u.ci - 1u) * taps;
  let w2 = min(c + 2u, u.ci - 1u) * taps;
  let w3 = min(c + 3u, u.ci - 1u) * taps;
  var sum = vec4f();
  for (var o = 0u; o < u.co; o++) {
    for (var ky = 0u; ky < u.kh; ky++) {
      // The output rows that saw this pixel through tap ky: oy * stride = iy + padding - ky * dilation.
      let ty = iy + u.padding - ky * u.dilation;
      if (iy + u.padding < ky * u.dilation || ty % u.stride != 0u || ty / u.stride >= u.ho) { continue; }
      for (var kx = 0u; kx < u.kw; kx++) {
        let tx = ix + u.padding - kx * u.dilation;
        if (ix + u.padding < kx * u.dilation || tx % u.stride != 0u || tx / u.stride >= u.wo) { continue; }
        let k = o * u.ci * taps + ky * u.kw + kx;
        sum += dy[((n * u.co + o) * u.ho + ty / u.stride) * u.wo + tx / u.stride] *
          vec4f(weight[w0 + k], weight[w1 + k], weight[w2 + k], weight[w3 + k]);
      }
    }
  }
  for (var j = 0u; j < ${CHANNELS}u && c + j < u.ci; j++) {
    let at = ((n * u.ci + c + j) * u.h + iy) * u.w + ix;
    dx[at] = sum[j] + select(0.0, dx[at], u.accumulate == 1u);
  }
}`,
  });
}

/**
 * The weight gradient in `parts` sums, each over `rows` rows of the batch's n·ho output rows:
 * partial [parts, co, ci, kh, kw]. With one part, `accumulate` adds to what is there.
 * Binds x [n,ci,h,w], dy [n,co,ho,wo] and partial.
 */
export function convWeightGradientDirect(
  s: ConvShape,
  { rows, accumulate }: { rows: number; accumulate: boolean },
): Kernel<'x' | 'dy' | 'partial'> {
  const [gx, gy] = linearGrid(s.co * s.ci * s.kh * s.kw, WORKGROUP);
  return defineKernel({
    name: 'conv.weightGradient.direct',
    bindings: { x: read(), dy: read(), partial: write() },
    uniforms: { ...uniforms(s), rows: u32(rows), accumulate: u32(accumulate ? 1 : 0) },
    grid: [gx, gy, Math.max(1, Math.ceil((s.n * outputHeight(s)) / rows))],
    flops: convFlops(s),
    bytes: convBytes(s),
    source: () => wgsl`${linearIndex(WORKGROUP)}
  let count = u.co * u.ci * u.kh * u.kw;
  if (i >= count) { return; }
  let kx = i % u.kw;
  let ky = i / u.kw % u.kh;
  let c = i / (u.kw * u.kh) % u.ci;
  let o = i / (u.kw * u.kh * u.ci);
  var sum = 0.0;
  for (var row = gid.z * u.rows; row < min((gid.z + 1u) * u.rows, u.n * u.ho); row++) {
    let n = row / u.ho;
    let oy = row % u.ho;
    let iy = i32(oy * u.stride + ky * u.dilation) - i32(u.padding);
    if (iy < 0 || iy >= i32(u.h)) { continue; }
    for (var ox = 0u; ox < u.wo; ox++) {
      let ix = i32(ox * u.stride + kx * u.dilation) - i32(u.padding);
      if (ix < 0 || ix >= i32(u.w)) { continue; }
      sum += x[((n * u.ci + c) * u.h + u32(iy)) * u.w + u32(ix)] * dy[((n * u.co + o) * u.ho + oy) * u.wo + ox];
    }
  }
  let at = gid.z * count + i;
  partial[at] = sum + select(0.0, partial[at], u.accumulate == 1u);
}`,
  });
}
