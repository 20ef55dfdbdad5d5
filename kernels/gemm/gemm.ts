/**
 * Matrix product C [m,n] = max(0, op(A)·op(B) + bias [n]) (+ C), row-major f32; op transposes where asked.
 *
 * The ladder (choose.ts lists what a device can run, the one of least estimated work first):
 * - `gemm.blocked`     portable, the fastest on hardware: blocks in workgroup memory, 4×4 to 8×8 outputs an invocation or
 *                      subgroup matrices; operands as f16 where the target allows
 * - `gemm.lanes`       subgroups: a lane per column, rows of A broadcast, no workgroup memory
 * - `gemm.quads`       subgroups: batches, four steps of k at a time, vector loads; fewer loads between products
 * - split k            for outputs too small to fill a GPU, either kernel writes partial products that
 *                      `gemm.sumPartials` adds in a fixed order
 *
 * CPU reference: gemm.reference.ts.
 */
export { SUBGROUP_MATRICES } from './block.ts';
export * from './choose.ts';
export * from './lanes.ts';
export * from './operation.ts';
export * from './partials.ts';
export * from './shape.ts';
