import { type Device, isParameter, type Tape, type Tensor } from '@cim/runtime';
import { type Comparison, compare, type Tolerance, tolerances } from './compare.ts';
import type { Golden } from './golden.ts';

/**
 * Runs the real kernels on the inputs of one golden file and compares every output it has. Where ReLUs are, `newTape` makes
 * the tape of what gradients are compared of.
 */
export type Check = (device: Device, golden: Golden, newTape: () => Tape) => Promise<Comparison[]>;

/** A kind of golden .safetensors file: which names it covers (without the ending) and how to run it. */
export interface GoldenKind {
  readonly pattern: RegExp;
  readonly check: Check;
}

/** A kind of case in a format of its own: a file that says what is expected, or one beside which another does. */
export interface FileKind {
  /** Names of the files that are cases. */
  readonly pattern: RegExp;
  /** Names of the files beside it that belong to a case, as they may be; they are no cases of their own. */
  readonly inputs?: (name: string) => readonly string[];
  /** Runs the code on the file at an absolute path. */
  readonly checkFile: (file: string, device: Device) => Promise<Comparison[]>;
}

/**
 * A kind of case. Patterns are tested on the file's path relative to the verified folder, with `/`, and on what is left of it
 * when leading folders are taken away, so that cases are known at any depth: `/^coco\/rle\.json$/`, `/^op_relu/`.
 */
export type CaseKind = GoldenKind | FileKind;

/**
 * The check of most operations: forward, then the gradients of Σ y·gout.
 * `forward` is given what it asks for by name: `x` is `in.x`, `param.NAME` a parameter; every input with a gradient in the
 * file is compared.
 */
export function operation(
  forward: (tape: Tape, get: (name: string) => Tensor, golden: Golden) => Tensor,
  outputTolerance: Tolerance = tolerances.operation,
  gradientTolerance: Tolerance = tolerances.operationGradient,
): Check {
  return async (device, golden, newTape) => {
    const tape = newTape();
    const used = new Map<string, Tensor>();
    const get = (name: string): Tensor => {
      let tensor = used.get(name);
      if (!tensor) {
        const wanted = golden.has(`grad.${name.replace(/^(in|param)\./, '')}`);
        tensor =
          name.startsWith('param.') && wanted
            ? golden.parameter(device, name)
            : golden.tensor(device, name, { grad: wanted });
        if (!isParameter(tensor)) tape.keep(tensor);
        used.set(name, tensor);
      }
      return tensor;
    };
    const y = tape.keep(forward(tape, get, golden));
    const comparisons = [compare('out.y', await y.read(), golden.data('out.y'), outputTolerance)];
    if (golden.has('in.gout')) {
      tape.backward(y, golden.tensor(device, 'in.gout'));
      for (const [name, tensor] of used) {
        const target = `grad.${name.replace(/^(in|param)\./, '')}`;
        if (!golden.has(target)) continue;
        const gradient = isParameter(tensor) ? tensor.grad : tape.gradient(tensor);
        comparisons.push(
          compare(target, gradient ? await gradient.read() : [], golden.data(target), gradientTolerance),
        );
      }
    }
    return comparisons;
  };
}
