import * as kernels from '@cim/kernels';
import { ShapeError } from '../errors.ts';
import type { Tape } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/** max(0, x). */
export const relu = (tape: Tape, x: Tensor): Tensor => activation(tape, x, 'relu');
/** 1 / (1 + e^-x). */
export const sigmoid = (tape: Tape, x: Tensor): Tensor => activation(tape, x, 'sigmoid');

function activation(tape: Tape, x: Tensor, kind: kernels.Activation): Tensor {
  const { device } = tape;
  const y = device.empty(x.shape);
  device.run(kernels.activation({ n: x.size, kind }), { x, y });
  return tape.record(kind, [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.activationBackward({ n: x.size, kind, accumulate }), { dy, y, dx });
  });
}

/** factor·x, the factor fixed on the host. */
export function scale(tape: Tape, x: Tensor, factor: number): Tensor {
  const { device } = tape;
  const y = device.empty(x.shape);
  device.run(kernels.axpy({ n: x.size, a: factor }), { x, y });
  return tape.record('scale', [x], y, (sink, dy) => {
    const { tensor: dx, accumulate } = sink.into(0);
    device.run(kernels.axpy({ n: x.size, a: factor, accumulate }), { x: dy, y: dx });
  });
}

/**
 * a + b of equal shapes.
 *
 * @throws ShapeError when their sizes differ.
 */
export function add(tape: Tape, a: Tensor, b: Tensor): Tensor {
  requireSameSize('add', a, b);
  const y = tape.device.empty(a.shape);
  tape.device.run(kernels.add({ n: a.size, relu: false }), { a, b, y });
  return tape.record('add', [a, b], y, (sink, dy) => {
    sink.pass(0, dy);
    sink.pass(1, dy);
  });
}

/**
 * max(0, a + b) of equal shapes.
 *
 * @throws ShapeError when their sizes differ.
 */
export function addRelu(tape: Tape, a: Tensor, b: Tensor): Tensor {
  requireSameSize('addRelu', a, b);
  const { device } = tape;
  const y = device.empty(a.shape);
  device.run(kernels.add({ n: a.size, relu: true }), { a, b, y });
  return tape.record('addRelu', [a, b], y, (sink, dy) => {
    const masked = device.empty(a.shape);
    device.run(kernels.activationBackward({ n: a.size, kind: 'relu', accumulate: false }), { dy, y, dx: masked });
    sink.pass(0, masked);
    sink.pass(1, masked);
    masked.dispose();
  });
}

/**
 * a·b of equal shapes.
 *
 * @throws ShapeError when their sizes differ.
 */
export function multiply(tape: Tape, a: Tensor, b: Tensor): Tensor {
  requireSameSize('multiply', a, b);
  const { device } = tape;
  const y = device.empty(a.shape);
  device.run(kernels.multiply({ n: a.size }), { a, b, y });
  return tape.record('multiply', [a, b], y, (sink, dy) => {
    for (const [index, other] of [b, a].entries()) {
      if (!sink.wants(index)) continue;
      const { tensor: da, accumulate } = sink.into(index);
      device.run(kernels.multiplyBackward({ n: a.size, accumulate }), { dy, b: other, da });
    }
  });
}

/**
 * Smooth L1 loss (beta 1) of every element of x against a target of its shape; gradients reach both.
 *
 * @throws ShapeError when their sizes differ.
 */
export function smoothL1(tape: Tape, x: Tensor, target: Tensor): Tensor {
  requireSameSize('smoothL1', x, target);
  const { device } = tape;
  const n = x.size;
  const y = device.empty(x.shape);
  device.run(kernels.smoothL1({ n }), { a: x, b: target, y });
  return tape.record('smoothL1', [x, target], y, (sink, dy) => {
    for (const [index, sign] of [1, -1].entries()) {
      if (!sink.wants(index)) continue;
      const { tensor: dx, accumulate } = sink.into(index);
      device.run(kernels.smoothL1Backward({ n, sign: sign as 1 | -1, accumulate }), { dy, a: x, b: target, dx });
    }
  });
}

function requireSameSize(name: string, a: Tensor, b: Tensor): void {
  if (a.size !== b.size) throw new ShapeError(`${name} needs equal shapes; got [${a.shape}] and [${b.shape}].`);
}
