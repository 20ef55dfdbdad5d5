/** Operands of a product copied in the order in which tiles read them. */
import { defineKernel, type Kernel, read, u32, wgsl, write } from '../kernel.ts';

/** Steps of k and vectors of rows that a workgroup copies: whole cache lines of 64 bytes, there and back. */
const STEPS = 16;
const QUADS = 4;

/** `count` matrices of rows of length k, where they lie, in elements. */
export interface Packable {
  readonly count: number;
  readonly rows: number;
  readonly k: number;
  /** From one matrix, row and k to the next. */
  readonly strideMatrix: number;
  readonly strideRow: number;
  readonly strideK: number;
  /** Rows of a panel, a multiple of 4. */
  readonly panel: number;
}

/** Elements of one packed matrix, whose last panel is filled up. */
export const packedSize = ({ rows, k, panel }: Pick<Packable, 'rows' | 'k' | 'panel'>): number =>
  Math.ceil(rows / panel) * panel * k;

/** y [count, panels, k, panel]: rows cut into panels, in each of which the next k follows the last row; filled up with the last. */
export function pack(source: Packable): Kernel<'x' | 'y'> {
  const { count, rows, k, strideMatrix, strideRow, strideK, panel } = source;
  const filled = Math.ceil(rows / panel) * panel;
  return defineKernel({
    name: 'gemm.pack',
    // Divisions by what is known only at run time take software GPUs as long as the copy itself.
    constants: { panel },
    bindings: { x: read(), y: write('vec4f') },
    uniforms: {
      rows: u32(rows),
      filled: u32(filled),
      k: u32(k),
      strideMatrix: u32(strideMatrix),
      strideRow: u32(strideRow),
      strideK: u32(strideK),
    },
    grid: [Math.ceil(k / STEPS), Math.ceil(filled / (4 * QUADS)), count],
    bytes: 8 * count * rows * k,
    source: ({ panel }) => wgsl`
@compute @workgroup_size(${STEPS}, ${QUADS})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  let row = id.y * 4u;
  if (k >= u.k || row >= u.filled) { return; }
  let at = id.z * u.strideMatrix + k * u.strideK;
  let last = u.rows - 1u;
  let first = row / ${panel}u * ${panel}u;
  y[((id.z * u.filled + first) * u.k + k * ${panel}u + row - first) / 4u] = vec4f(
    x[at + min(row, last) * u.strideRow],
    x[at + min(row + 1u, last) * u.strideRow],
    x[at + min(row + 2u, last) * u.strideRow],
    x[at + min(row + 3u, last) * u.strideRow],
  );
}`,
  });
}
