/** A kernel to break: rows of a matrix scaled to length 1, times a weight a column. A row of zeros stays zero. */
import { type BufferContent, combine, randomArray } from '@cim/runtime/testing';

export const NORMALISE = /* wgsl */ `
const SIZE = 64u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> lengths: array<f32>;
@group(0) @binding(4) var<uniform> shape: vec2u; // rows, columns

var<workgroup> sums: array<f32, SIZE>;

@compute @workgroup_size(SIZE)
fn normalise(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let columns = shape.y;
  var sum = 0.0;
  for (var c = lane; c < columns; c += SIZE) {
    let value = x[row * columns + c];
    sum += value * value;
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = SIZE / 2u; half > 0u; half /= 2u) {
    if (lane < half) { sums[lane] += sums[lane + half]; }
    workgroupBarrier();
  }
  let length = sqrt(sums[0]);
  if (lane == 0u) { lengths[row] = length; }
  let factor = select(0.0, 1.0 / length, length > 0.0);
  for (var c = lane; c < columns; c += SIZE) {
    y[row * columns + c] = weight[c] * x[row * columns + c] * factor;
  }
}
`;

export const CASES = combine({ rows: [1, 3], columns: [1, 63, 130] });

export interface Normalisation {
  readonly rows: number;
  readonly columns: number;
}

/** Buffers for the kernel; the last row is zero. */
export function buffersOf({ rows, columns }: Normalisation): Record<string, BufferContent> {
  const x = randomArray([rows, columns], 1, 0.5, 2);
  if (rows > 1) x.fill(0, (rows - 1) * columns);
  return {
    x,
    weight: randomArray([columns], 2),
    y: rows * columns,
    lengths: rows,
    shape: Uint32Array.of(rows, columns),
  };
}

/** What must come out, in f64. */
export function reference({ rows, columns }: Normalisation) {
  const { x, weight } = buffersOf({ rows, columns }) as Record<string, Float32Array>;
  const lengths = Float64Array.from({ length: rows }, (_, row) =>
    Math.hypot(...x.subarray(row * columns, (row + 1) * columns)),
  );
  const y = Float64Array.from(x, (value, i) => {
    const length = lengths[Math.floor(i / columns)];
    return length > 0 ? (weight[i % columns] * value) / length : 0;
  });
  return { y, lengths };
}
