import type { Device, Tensor } from '@cim/runtime';

/** One logged number: its name and its factor in the total. Terms of one name are summed. */
export interface LossTerm {
  /** As it appears in logs. */
  readonly name: string;
  /** Factor in the total. */
  readonly weight: number;
}

/** Copies small tensors side by side into `into`, from element `at` on, so that one read brings all of them to the host. */
export function gather(device: Device, parts: readonly Tensor[], into: Tensor, at: number): void {
  for (const part of parts) {
    // Copies, unlike bindings, may start at any element.
    const window = into.view([part.size], into.offset + at * 4);
    device.copy(part, window);
    window.dispose();
    at += part.size;
  }
}
