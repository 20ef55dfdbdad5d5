/** WGSL that sums one f32 of every invocation of a workgroup, always in the same order. */

/**
 * Declares `fn workgroupSum(value: f32, lane: u32) -> f32`; every invocation gets the sum. Call it in uniform control
 * flow. Two levels of √size terms each: fewer barriers than a tree, which cost more than additions on software drivers.
 *
 * @param size invocations of the workgroup, a square number
 */
export function workgroupSum(size: number): string {
  const side = Math.sqrt(size);
  return `
var<workgroup> sumTerms: array<f32, ${size}>;
var<workgroup> sumRows: array<f32, ${side}>;
fn workgroupSum(value: f32, lane: u32) -> f32 {
  sumTerms[lane] = value;
  workgroupBarrier();
  if (lane < ${side}u) {
    var row = 0.0;
    for (var k = 0u; k < ${side}u; k++) { row += sumTerms[lane * ${side}u + k]; }
    sumRows[lane] = row;
  }
  workgroupBarrier();
  var total = 0.0;
  for (var k = 0u; k < ${side}u; k++) { total += sumRows[k]; }
  return total;
}`;
}
