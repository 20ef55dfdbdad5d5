/**
 * 2-d convolution as in PyTorch: y[n,o,oy,ox] = bias[o] + Σ_{c,ky,kx} weight[o,c,ky,kx] ·
 * x[n, c, oy·stride + ky·dilation − padding, ox·stride + kx·dilation − padding], zero outside; NCHW f32.
 *
 * The ladder:
 * - `conv.*.direct`   any kernel size, stride, padding and dilation, straight from the definition
 *
 * CPU references: conv.reference.ts.
 */
export * from './choose.ts';
export * from './direct.ts';
export * from './shape.ts';
