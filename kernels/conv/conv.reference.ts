/** Plain f64 references of convolution and its gradients. */
import { type ConvShape, outputHeight, outputWidth } from './shape.ts';

/** Calls `visit` with the flat indices of every product that makes up y: y[yi] += x[xi] · weight[wi]. */
function products(s: ConvShape, visit: (yi: number, xi: number, wi: number) => void): void {
  const ho = outputHeight(s);
  const wo = outputWidth(s);
  for (let n = 0; n < s.n; n++)
    for (let o = 0; o < s.co; o++)
      for (let oy = 0; oy < ho; oy++)
        for (let ox = 0; ox < wo; ox++)
          for (let ky = 0; ky < s.kh; ky++) {
            const iy = oy * s.stride + ky * s.dilation - s.padding;
            if (iy < 0 || iy >= s.h) continue;
            for (let kx = 0; kx < s.kw; kx++) {
              const ix = ox * s.stride + kx * s.dilation - s.padding;
              if (ix < 0 || ix >= s.w) continue;
              for (let c = 0; c < s.ci; c++) {
                visit(
                  ((n * s.co + o) * ho + oy) * wo + ox,
                  ((n * s.ci + c) * s.h + iy) * s.w + ix,
                  ((o * s.ci + c) * s.kh + ky) * s.kw + kx,
                );
              }
            }
          }
}

/**
 * y [n, co, ho, wo] of x [n, ci, h, w] and weight [co, ci, kh, kw], plus bias [co] and residual, shaped like y,
 * where given.
 */
export function convForward(
  s: ConvShape,
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | null,
  relu: boolean,
  residual: ArrayLike<number> | null = null,
): Float64Array {
  const pixels = outputHeight(s) * outputWidth(s);
  const y = new Float64Array(s.n * s.co * pixels);
  products(s, (yi, xi, wi) => void (y[yi] += x[xi] * weight[wi]));
  return y.map((v, i) => {
    const sum = v + (bias ? bias[Math.floor(i / pixels) % s.co] : 0) + (residual ? residual[i] : 0);
    return relu ? Math.max(0, sum) : sum;
  });
}

/** dx [n, ci, h, w] of dy [n, co, ho, wo]. */
export function convInputGradient(s: ConvShape, dy: ArrayLike<number>, weight: ArrayLike<number>): Float64Array {
  const dx = new Float64Array(s.n * s.ci * s.h * s.w);
  products(s, (yi, xi, wi) => void (dx[xi] += dy[yi] * weight[wi]));
  return dx;
}

/** dw [co, ci, kh, kw] of x [n, ci, h, w] and dy [n, co, ho, wo]. */
export function convWeightGradient(s: ConvShape, x: ArrayLike<number>, dy: ArrayLike<number>): Float64Array {
  const dw = new Float64Array(s.co * s.ci * s.kh * s.kw);
  products(s, (yi, xi, wi) => void (dw[wi] += dy[yi] * x[xi]));
  return dw;
}

/** db[c] = Σ dy[outer, c, inner]. */
export function channelSum(
  { outer, channels, inner }: { outer: number; channels: number; inner: number },
  dy: ArrayLike<number>,
): Float64Array {
  const db = new Float64Array(channels);
  for (let i = 0; i < outer * channels * inner; i++) db[Math.floor(i / inner) % channels] += dy[i];
  return db;
}
