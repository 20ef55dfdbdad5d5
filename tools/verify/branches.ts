/**
 * Gradients of ReLUs whose input is zero but for rounding. Such a ReLU passes all of a gradient or nothing, and two correct
 * kernels may differ in which: the gradients of neither say that the other is wrong. Both must be right on the same side.
 */
import { type Device, Tape, type Tensor } from '@cim/runtime';
import { tolerances } from './compare.ts';
import type { Case } from './find-cases.ts';
import { type CaseResult, runCase } from './verify.ts';

/** Of all ReLU outputs: far more than rounding can turn, far fewer than a wrong kernel does. */
const MOST_FLIPS = 1e-3;

/** How many ReLU outputs are on another side of zero than the device's own kernels put them, among how many. */
export interface Flips {
  readonly flipped: number;
  readonly of: number;
}

/** A ReLU output on the other side of zero. */
interface Flip {
  readonly element: number;
  /** What it is with the device's own kernels. */
  readonly value: number;
}

/** Shows each output before the operations that follow. */
class WatchedTape extends Tape {
  readonly #watch: (output: Tensor) => void;

  constructor(device: Device, watch: (output: Tensor) => void) {
    super(device);
    this.#watch = watch;
  }

  override record(...operation: Parameters<Tape['record']>): Tensor {
    const output = super.record(...operation);
    if (operation[0] !== 'reshape') this.#watch(output);
    return output;
  }
}

/** Runs a case with a variant pinned, or none; `watch` sees what its gradients are made of. */
export async function runPinned(
  device: Device,
  variant: string | undefined,
  one: Case,
  watch?: (output: Tensor) => void,
): Promise<CaseResult> {
  device.variants.pin(variant);
  try {
    return await runCase(device, one, watch && (() => new WatchedTape(device, watch)));
  } finally {
    device.variants.pin(undefined);
  }
}

/**
 * Runs a case whose gradients fail with a variant again, every ReLU on the side of zero where the device's own kernels put
 * it. All else is the variant's. The sides may differ only where both values are zero but for rounding, by the tolerance of
 * a single operation, and seldom.
 *
 * @returns undefined where the sides do not differ, or by more than that: the gradients are wrong.
 */
export async function runOnSameBranches(device: Device, variant: string, one: Case): Promise<CaseResult | undefined> {
  const expected = await outputsOf(device, undefined, one);
  const actual = await outputsOf(device, variant, one);
  const flips: Flip[][] = [];
  let [flipped, of] = [0, 0];
  for (const [i, reference] of expected.entries()) {
    flips.push([]);
    if (!isReluOutput(reference)) continue;
    const rounding = tolerances.operation.factor * reference.reduce((most, value) => Math.max(most, value), 0);
    for (const [element, value] of reference.entries()) {
      if (value > 0 === actual[i][element] > 0) continue;
      if (Math.abs(value - actual[i][element]) > rounding) return undefined;
      flips[i].push({ element, value });
    }
    flipped += flips[i].length;
    of += reference.length;
  }
  if (flipped === 0 || flipped > MOST_FLIPS * of) return undefined;
  let next = 0;
  const result = await runPinned(device, variant, one, (output) => {
    for (const { element, value } of flips[next++]) device.write(output, [value], element);
  });
  return { ...result, flips: { flipped, of } };
}

/** All outputs that the gradients of a case are made of, in the order of the operations. */
async function outputsOf(device: Device, variant: string | undefined, one: Case): Promise<Float32Array[]> {
  const copies: Tensor[] = [];
  await runPinned(device, variant, one, (output) => {
    const copy = device.keep(device.empty(output.shape));
    device.copy(output, copy);
    copies.push(copy);
  });
  const values = await Promise.all(copies.map(async (copy) => (await copy.read()) as Float32Array));
  for (const copy of copies) copy.dispose();
  return values;
}

/** Or one that a ReLU would not change. */
const isReluOutput = (values: Float32Array): boolean => values.every((value) => value >= 0);
