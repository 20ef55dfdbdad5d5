/** WGSL that sums one value of every invocation of a workgroup, always in the same order. */

/**
 * Declares `fn workgroupSum(value: T, lane: u32) -> T`; every invocation gets the sum. Call it in uniform control flow.
 * Two levels of √size terms each: fewer barriers than a tree, which cost more than additions on software drivers, and a
 * tenth of a second or more to compile.
 *
 * @param size invocations of the workgroup, a square number
 * @param type T
 */
export function workgroupSum(size: number, type: 'f32' | 'vec4f' = 'f32'): string {
  const side = Math.sqrt(size);
  return `
var<workgroup> sumTerms: array<${type}, ${size}>;
var<workgroup> sumRows: array<${type}, ${side}>;
// The bound of the loops, not known when they are compiled: unrolled they take half a second.
var<workgroup> sumSide: u32;
fn workgroupSum(value: ${type}, lane: u32) -> ${type} {
  sumTerms[lane] = value;
  if (lane == 0u) { sumSide = ${side}u; }
  workgroupBarrier();
  let side = sumSide;
  if (lane < side) {
    var row = ${type}();
    for (var k = 0u; k < side; k++) { row += sumTerms[lane * side + k]; }
    sumRows[lane] = row;
  }
  workgroupBarrier();
  var total = ${type}();
  for (var k = 0u; k < side; k++) { total += sumRows[k]; }
  return total;
}`;
}
