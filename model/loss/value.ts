import type { Sink, Tape, Tensor } from '@cim/runtime';

/**
 * Records a loss whose kernel left its `size` values at the start of `state`, followed by what `backward` reads, and
 * returns the values. `state` itself is given up after the backward pass.
 */
export function lossValue(
  tape: Tape,
  name: string,
  inputs: readonly Tensor[],
  state: Tensor,
  size: number,
  backward: (sink: Sink) => void,
): Tensor {
  const values = state.view([size], 0);
  if (tape.tracks(inputs)) {
    tape.recordLoss(name, inputs, (sink) => {
      backward(sink);
      state.dispose();
    });
  } else {
    state.dispose();
  }
  return values;
}
