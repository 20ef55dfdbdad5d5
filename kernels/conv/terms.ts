/** Which products a single element of a convolution or of its gradients is the sum of. */
import { type ConvShape, outputHeight, outputWidth } from './shape.ts';

type Visit = (a: number, b: number) => void;

/** A position in an image or weight [outer, channels, height, width]. */
function position(index: number, channels: number, height: number, width: number): [number, number, number, number] {
  const row = Math.floor(index / width);
  const plane = Math.floor(row / height);
  return [Math.floor(plane / channels), plane % channels, row % height, index % width];
}

/** Element yi of y: pairs of x and weight. */
export function forwardTerms(s: ConvShape, yi: number, visit: Visit): void {
  const [n, o, oy, ox] = position(yi, s.co, outputHeight(s), outputWidth(s));
  for (let c = 0; c < s.ci; c++)
    for (let ky = 0; ky < s.kh; ky++) {
      const iy = oy * s.stride + ky * s.dilation - s.padding;
      if (iy < 0 || iy >= s.h) continue;
      for (let kx = 0; kx < s.kw; kx++) {
        const ix = ox * s.stride + kx * s.dilation - s.padding;
        if (ix < 0 || ix >= s.w) continue;
        visit(((n * s.ci + c) * s.h + iy) * s.w + ix, ((o * s.ci + c) * s.kh + ky) * s.kw + kx);
      }
    }
}

/** Element xi of dx: pairs of dy and weight. */
export function inputGradientTerms(s: ConvShape, xi: number, visit: Visit): void {
  const [ho, wo] = [outputHeight(s), outputWidth(s)];
  const [n, c, iy, ix] = position(xi, s.ci, s.h, s.w);
  for (let ky = 0; ky < s.kh; ky++) {
    const oy = (iy + s.padding - ky * s.dilation) / s.stride;
    if (!Number.isInteger(oy) || oy < 0 || oy >= ho) continue;
    for (let kx = 0; kx < s.kw; kx++) {
      const ox = (ix + s.padding - kx * s.dilation) / s.stride;
      if (!Number.isInteger(ox) || ox < 0 || ox >= wo) continue;
      for (let o = 0; o < s.co; o++) {
        visit(((n * s.co + o) * ho + oy) * wo + ox, ((o * s.ci + c) * s.kh + ky) * s.kw + kx);
      }
    }
  }
}

/** Element wi of dw: pairs of x and dy. */
export function weightGradientTerms(s: ConvShape, wi: number, visit: Visit): void {
  const [ho, wo] = [outputHeight(s), outputWidth(s)];
  const [o, c, ky, kx] = position(wi, s.ci, s.kh, s.kw);
  for (let n = 0; n < s.n; n++)
    for (let oy = 0; oy < ho; oy++) {
      const iy = oy * s.stride + ky * s.dilation - s.padding;
      if (iy < 0 || iy >= s.h) continue;
      for (let ox = 0; ox < wo; ox++) {
        const ix = ox * s.stride + kx * s.dilation - s.padding;
        if (ix < 0 || ix >= s.w) continue;
        visit(((n * s.ci + c) * s.h + iy) * s.w + ix, ((n * s.co + o) * ho + oy) * wo + ox);
      }
    }
}
