import type { Sink, Target } from '../tape.ts';
import type { Tensor } from '../tensor.ts';

/**
 * Where a kernel that writes several gradients puts that of input `index`: one that is not wanted goes to a new tensor
 * shaped like the input, which is added to `scratch` for the caller to dispose.
 */
export function scratchTarget(sink: Sink, index: number, input: Tensor, scratch: Tensor[]): Target {
  if (sink.wants(index)) return sink.into(index);
  const tensor = input.device.empty(input.shape);
  scratch.push(tensor);
  return { tensor, accumulate: false };
}
