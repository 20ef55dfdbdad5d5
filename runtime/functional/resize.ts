import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

function planesOf(name: string, x: Tensor): kernels.PlaneShape {
  if (x.shape.length !== 4) throw new ShapeError(`${name} needs [N, C, H, W]; got [${x.shape}].`);
  const [batch, channels, height, width] = x.shape;
  return { planes: batch * channels, height, width };
}

/**
 * Repeats every cell of x [N, C, H, W] scale × scale times; `scale` is a positive integer.
 *
 * @throws ShapeError when x has not four dimensions.
 */
export function upsampleNearest(tape: Tape, x: Tensor, scale: number): Tensor {
  const { device } = tape;
  const shape = { ...planesOf('upsampleNearest', x), scale };
  const y = device.empty([x.shape[0], x.shape[1], shape.height * scale, shape.width * scale]);
  device.run(kernels.upsampleNearest({ ...shape, add: false, relu: false }), { x, a: x, y });
  return tape.record('upsampleNearest', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.upsampleNearestBackward({ ...shape, relu: false, accumulate }), { dy, y: dy, dx });
  });
}

/**
 * a + upsampleNearest(x), through max(0, ·) when `relu`, in one dispatch; a is [N, C, scale·H, scale·W].
 *
 * @throws ShapeError when a is not `scale` times as large as x.
 */
export function addUpsampled(
  tape: Tape,
  a: Tensor,
  x: Tensor,
  scale: number,
  { relu = false }: { relu?: boolean } = {},
): Tensor {
  const { device } = tape;
  const shape = { ...planesOf('addUpsampled', x), scale };
  if (a.size !== x.size * scale * scale) {
    throw new ShapeError(`addUpsampled cannot add [${x.shape}], ${scale} times larger, to [${a.shape}].`);
  }
  const y = device.empty(a.shape);
  device.run(kernels.upsampleNearest({ ...shape, add: true, relu }), { x, a, y });
  return tape.record('addUpsampled', [a, x], y, (sink, dy) => {
    if (sink.wants(1)) {
      const { tensor: dx, accumulate } = sink.into(1);
      device.run(kernels.upsampleNearestBackward({ ...shape, relu, accumulate }), { dy, y, dx });
    }
    if (!relu) {
      sink.pass(0, dy);
    } else if (sink.wants(0)) {
      const { tensor: dx, accumulate } = sink.into(0);
      device.run(kernels.activationBackward({ n: a.size, kind: 'relu', accumulate }), { dy, y, dx });
    }
  });
}

/**
 * Bilinear interpolation of x [N, C, H, W] to [N, C, height, width]. `alignCorners` maps corner cells onto corner
 * cells; otherwise the edges of the images coincide.
 *
 * @throws ShapeError when x has not four dimensions.
 */
export function upsampleBilinear(
  tape: Tape,
  x: Tensor,
  [outHeight, outWidth]: readonly [height: number, width: number],
  { alignCorners }: { alignCorners: boolean },
): Tensor {
  const { device } = tape;
  const shape = { ...planesOf('upsampleBilinear', x), outHeight, outWidth, alignCorners };
  const y = device.empty([x.shape[0], x.shape[1], outHeight, outWidth]);
  device.run(kernels.upsampleBilinear(shape), { x, y });
  return tape.record('upsampleBilinear', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.upsampleBilinearBackward({ ...shape, accumulate }), { dy, dx });
  });
}

/**
 * x [N, C, H, W] with zeros in `bottom` more rows and `right` more columns.
 *
 * @throws ShapeError when x has not four dimensions.
 */
export function padBottomRight(tape: Tape, x: Tensor, { bottom, right }: { bottom: number; right: number }): Tensor {
  const { device } = tape;
  const planes = planesOf('padBottomRight', x);
  const shape = { ...planes, outHeight: planes.height + bottom, outWidth: planes.width + right };
  const y = device.empty([x.shape[0], x.shape[1], shape.outHeight, shape.outWidth]);
  device.run(kernels.padBottomRight(shape), { x, y });
  return tape.record('padBottomRight', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.padBottomRightBackward({ ...shape, accumulate }), { dy, dx });
  });
}
