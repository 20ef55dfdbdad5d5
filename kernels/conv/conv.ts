/**
 * 2-d convolution as in PyTorch: y[n,o,oy,ox] = bias[o] + Σ_{c,ky,kx} weight[o,c,ky,kx] ·
 * x[n, c, oy·stride + ky·dilation − padding, ox·stride + kx·dilation − padding], zero outside; NCHW f32.
 *
 * The ladder (choose.ts lists what fits a shape, the one of least estimated work first):
 * - `conv.*.direct`             any kernel size, stride, padding and dilation, straight from the definition
 * - `conv.forward.tile`,        portable: register tiles, an invocation a patch of pixels × some channels
 *   `conv.inputGradient.tile`
 * - `conv.forward.lanes`,       subgroups: a lane an output channel, the input patch broadcast
 *   `conv.inputGradient.lanes`
 * - `conv.weightGradient.tile`  register tiles, a lane an input channel, walking down strips of pixels; dy broadcast
 *                               with subgroups; parts of the batch summed by `gemm.sumPartials`
 * - `conv.*.implicit`           portable, the fastest on hardware: a matrix product whose patches are gathered into workgroup
 *                               memory, of any shape; blocks as in gemm.blocked
 * - `conv.*.im2col`             one matrix product of unfolded images (1×1: of the images themselves)
 * - `conv.*.winograd4`,         3×3 of stride 1: a quarter, or 4 of 9, of the products, in the Winograd domain
 *   `conv.*.winograd2`
 *
 * To add a variant: its kernel in a file of its own, its estimate beside it, into choose.ts; the tests run every candidate.
 * CPU references: conv.reference.ts.
 */
export * from './choose.ts';
export { convForwardDirect, convInputGradientDirect, convWeightGradientDirect } from './direct.ts';
export * from './lanes.ts';
export * from './operation.ts';
export * from './shape.ts';
export * from './tile.ts';
export * from './weight-tile.ts';
