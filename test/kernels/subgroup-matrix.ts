/**
 * Subgroup matrices in plain WGSL, for the adapters that have none: the kernel's text with its built-in functions replaced.
 * A matrix operand is where it lies in its tile, which nothing changes between loading and multiplying; every member of a
 * subgroup holds its share of the sums.
 */
import type { Kernel } from '@cim/kernels';

const SUBGROUP = 32;

function replaced(text: string, pattern: RegExp, by: string): string {
  if (!pattern.test(text)) throw new Error(`The kernel has no ${pattern}.`);
  return text.replace(pattern, by);
}

/** The same kernel for adapters of any kind. */
export function withoutSubgroupMatrices(kernel: Kernel): Kernel {
  const sizes = /subgroup_matrix_left<(f32|f16), (\d+), (\d+)>[\s\S]*subgroup_matrix_right<\1, (\d+), \2>/.exec(
    kernel.wgsl,
  );
  if (!sizes) throw new Error(`${kernel.key} has no subgroup matrices.`);
  const [k, m, n] = sizes.slice(2).map(Number);
  const share = Math.ceil((m * n) / SUBGROUP);
  let text = kernel.wgsl;
  text = replaced(text, /enable subgroups;|enable chromium_experimental_subgroup_matrix;/g, '');
  text = replaced(text, /diagnostic\(off, chromium.subgroup_matrix_uniformity\);/, '');
  text = replaced(
    text,
    /,\s*@builtin\(subgroup_id\).*u32\) \{/,
    `) {
  let subgroup = lane / ${SUBGROUP}u;
  let member = lane % ${SUBGROUP}u;`,
  );
  text = replaced(text, /subgroupMatrixLoad<subgroup_matrix_left<\w+, \d+, \d+>, col_major>\(&tileA, /g, 'Operand(');
  text = replaced(text, /subgroupMatrixLoad<subgroup_matrix_right<\w+, \d+, \d+>, row_major>\(&tileB, /g, 'Operand(');
  text = replaced(text, /subgroup_matrix_result<f32, \d+, \d+>\(\)/g, 'Sums()');
  text = replaced(text, /subgroupMatrixMultiplyAccumulate\(/g, 'multiplyAccumulate(member, ');
  text = replaced(text, /subgroupMatrixStore<row_major>\(&sums, /g, 'storeSums(member, ');
  text += `
struct Operand { first: u32, pitch: u32 }
// 1, known only at run time: loops that are unrolled compile for minutes.
fn once() -> u32 { return min(u.rowTiles, 1u); }
alias Sums = array<f32, ${share}>;
fn multiplyAccumulate(member: u32, a: Operand, b: Operand, c: Sums) -> Sums {
  var sums = c;
  for (var i = 0u; i < ${share}u * once(); i++) {
    let at = member + i * ${SUBGROUP}u;
    for (var k = 0u; k < ${k}u * once(); k++) {
      sums[i] += f32(tileA[a.first + k * a.pitch + at / ${n}u]) * f32(tileB[b.first + k * b.pitch + at % ${n}u]);
    }
  }
  return sums;
}
fn storeSums(member: u32, first: u32, c: Sums, pitch: u32) {
  for (var i = 0u; i < ${share}u * once(); i++) {
    let at = member + i * ${SUBGROUP}u;
    if (at < ${m * n}u) { sums[first + at / ${n}u * pitch + at % ${n}u] = c[i]; }
  }
}`;
  const features = (kernel.requires.features ?? []).filter((feature) => feature === 'shader-f16');
  const { wgsl: _, ...rest } = kernel;
  return { ...rest, key: `${kernel.key}|without`, requires: { ...kernel.requires, features }, wgsl: text };
}
