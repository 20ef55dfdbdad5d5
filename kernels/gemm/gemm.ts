/**
 * Matrix product C [m,n] = max(0, op(A)·op(B) + bias [n]) (+ C), row-major f32; op transposes where asked.
 *
 * The ladder (choose.ts lists what a device can run, the one of least estimated work first):
 * - `gemm.tiled`       portable: workgroup-memory tiles, 4×4 outputs an invocation
 * - `gemm.lanes`       subgroups: a lane per column, rows of A broadcast, no workgroup memory
 * - `gemm.quads`       subgroups: batches, four steps of k at a time, vector loads; fewer loads between products
 * - split k            for outputs too small to fill a GPU, either kernel writes partial products that
 *                      `gemm.sumPartials` adds in a fixed order
 *
 * CPU reference: gemm.reference.ts.
 */
export * from './choose.ts';
export * from './lanes.ts';
export * from './operation.ts';
export * from './partials.ts';
export * from './shape.ts';
export * from './tiled.ts';
