import { axpy } from '@cim/kernels';
import type { Device } from './device.ts';
import { ShapeError } from './errors.ts';
import type { ShardedParameter, Weight } from './sharded.ts';
import type { Tensor } from './tensor.ts';

/** Where a backward pass puts the gradient of one input. */
export interface Target {
  /** Shaped like the input. */
  readonly tensor: Tensor;
  /** Add to what is there, instead of overwriting it. */
  readonly accumulate: boolean;
}

/** The destinations of one node's input gradients. */
export interface Sink {
  /** Whether input `index` wants a gradient. */
  wants(index: number): boolean;
  /** The tensor to write the gradient of input `index` to; the whole of it must be written. */
  into(index: number): Target;
  /** The gradient of input `index`, zeros if nothing was written yet, for operations that add to a part of it. */
  added(index: number): Tensor;
  /** The gradient of input `index` is `gradient` itself (same size): no kernel runs unless it must be summed. */
  pass(index: number, gradient: Tensor): void;
}

interface Node {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor | undefined;
  /** `gradient` is that of the output; absent for a loss term, whose gradient is 1. */
  readonly backward: (sink: Sink, gradient: Tensor) => void;
  /** What `backward` needs beside inputs and output; belongs to the node. */
  readonly saved: readonly Tensor[];
}

/** A trainable tensor. `grad` accumulates over backward passes from the first one after `touched` is set to false. */
export interface Parameter extends Tensor {
  /** Shaped like the parameter. */
  grad: Tensor;
  /** Whether `grad` is valid; otherwise the next backward pass overwrites it, so that nothing need be cleared. */
  touched: boolean;
}
/** Whether a tensor trains, and so has a gradient of its own. */
export function isParameter(tensor: Tensor): tensor is Parameter;
export function isParameter(tensor: Weight): tensor is Parameter | ShardedParameter;
export function isParameter(tensor: Weight): boolean {
  return 'grad' in tensor;
}

/**
 * Reverse-mode differentiation over named operations. Operations record how to push a gradient back; {@link backward}
 * walks them in reverse, accumulating in place, and frees activations and gradients at their last use.
 *
 * @example
 * ```ts
 * import { Device, functional as F, Tape } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const x = device.tensor([-1, 2, -3, 4]);
 * x.requiresGrad = true;
 * const tape = new Tape(device);
 * const y = F.relu(tape, F.scale(tape, tape.keep(x), 3));
 * tape.backward(y, device.tensor([1, 1, 1, 1])); // from dL/dy to dL/dx
 * console.log(await tape.gradient(x)!.read()); // → Float32Array(4) [ 0, 3, 0, 3 ]
 * await device.close();
 * ```
 */
export class Tape {
  /** Where the operations run. */
  readonly device: Device;
  /** False for inference: nothing is recorded. */
  readonly recording: boolean;
  /** False where only the gradients of inputs are asked for. */
  readonly #trains: boolean;
  #nodes: Node[] = [];
  /** Whether an operation would have been recorded, had this tape been recording. */
  #passed = false;
  readonly #gradients = new Map<Tensor, Tensor>();
  readonly #kept = new Set<Tensor>();
  readonly #windows = new Map<Tensor, { output: Tensor; offset: number }>();

  /**
   * Records nothing yet. With `recording` false operations run and are forgotten, as in inference; with `trains` false
   * only inputs receive gradients, no parameters. Both are true unless given.
   */
  constructor(device: Device, { recording = true, trains = true }: { recording?: boolean; trains?: boolean } = {}) {
    this.device = device;
    this.recording = recording;
    this.#trains = trains;
  }

  /** Whether an operation on these inputs must be recorded. */
  tracks(inputs: readonly Tensor[]): boolean {
    return this.recording && inputs.some((t) => this.#wants(t));
  }

  #wants(tensor: Tensor): boolean {
    return tensor.requiresGrad && (this.#trains || !isParameter(tensor));
  }

  /**
   * Records an operation and returns its output. Without a gradient to give, it is forgotten at once.
   * @param saved tensors that `backward` needs beside inputs and output: the tape frees them with the operation.
   */
  record(
    name: string,
    inputs: readonly Tensor[],
    output: Tensor,
    backward: (sink: Sink, gradient: Tensor) => void,
    saved: readonly Tensor[] = [],
  ): Tensor {
    if (this.tracks(inputs)) {
      output.requiresGrad = true;
      this.#nodes.push({ name, inputs, output, backward, saved });
    } else {
      this.#passed ||= inputs.some((t) => this.#wants(t));
      for (const tensor of saved) tensor.dispose();
    }
    return output;
  }

  /**
   * Runs a part of a network and frees what it made beside its output, unless operations recorded meanwhile need it:
   * all intermediate results where there is no gradient to give.
   */
  section(work: () => Tensor): Tensor {
    const before = this.#nodes.length;
    const run = () => {
      const result = work();
      const needed = this.#nodes.slice(before).flatMap(({ inputs, output, saved }) => [...inputs, ...saved, output!]);
      return { result, needed, kept: [...this.#kept] };
    };
    return this.device.scope(run).result;
  }

  /**
   * {@link section} that records only its inputs: `work` runs again in the backward pass, for less memory
   * (torch.utils.checkpoint; Chen et al. 2016). It must do the same both times, on the tape and the inputs it is given,
   * and record no loss.
   */
  checkpoint(inputs: readonly Tensor[], work: (tape: Tape, inputs: readonly Tensor[]) => Tensor): Tensor {
    if (!this.recording) return this.section(() => work(this, inputs));
    const { device } = this;
    const trains = this.#trains;
    const probe = new Tape(device, { recording: false, trains });
    const output = probe.section(() => work(probe, inputs));
    if (!probe.#passed) return output;
    output.requiresGrad = true;
    const backward = (sink: Sink, gradient: Tensor): void => {
      const inner = new Tape(device, { trains });
      const leaves = new Map<Tensor, Tensor>();
      inputs.forEach((input, i) => {
        if (leaves.has(input)) return;
        const leaf = input.reshape(input.shape);
        leaf.requiresGrad = sink.wants(i);
        leaves.set(input, leaf);
        // Gradients go on adding up in the order that they would without the checkpoint.
        const begun = this.#gradients.get(input);
        if (begun) inner.#gradients.set(leaf, begun);
      });
      const again = inner.section(() =>
        work(
          inner,
          inputs.map((input) => leaves.get(input)!),
        ),
      );
      inner.#gradients.set(again, gradient.reshape(again.shape));
      inner.backward();
      for (const [input, leaf] of leaves) {
        const own = inner.takeGradient(leaf);
        if (own && (isParameter(input) || this.#windows.has(input))) {
          sink.pass(inputs.indexOf(input), own);
          own.dispose();
        } else if (own) {
          this.#gradients.set(input, own);
        }
        leaf.dispose();
      }
    };
    this.#nodes.push({ name: 'checkpoint', inputs, output, backward, saved: [] });
    return output;
  }

  /** Records a term of the total loss. Its `backward` writes the gradients of the term itself, already weighted. */
  recordLoss(name: string, inputs: readonly Tensor[], backward: (sink: Sink) => void): void {
    if (this.tracks(inputs)) this.#nodes.push({ name, inputs, output: undefined, backward, saved: [] });
  }

  /** A view under another shape through which gradients flow. */
  reshape(x: Tensor, shape: readonly number[]): Tensor {
    return this.record('reshape', [x], x.reshape(shape), (sink, g) => sink.pass(0, g));
  }

  /**
   * A window on an output, `offset` bytes from its start (a multiple of the storage offset alignment). Its gradient is
   * the same window of the output's gradient. The output itself must not be used by other operations.
   */
  slice(output: Tensor, shape: readonly number[], offset: number): Tensor {
    const window = output.view(shape, output.offset + offset);
    if (output.requiresGrad) this.#windows.set(window, { output, offset });
    return window;
  }

  /** Keeps an output readable after {@link backward}, which otherwise frees it. */
  keep(tensor: Tensor): Tensor {
    this.#kept.add(tensor);
    return tensor;
  }

  /** The gradient that {@link backward} found for a tensor that is not a parameter; keep() such a tensor first. */
  gradient(tensor: Tensor): Tensor | undefined {
    return this.#gradients.get(tensor);
  }

  /**
   * Adds Σ output·gradient to what {@link backward} differentiates. Once per output.
   *
   * @throws ShapeError when the gradient is not of the output's size.
   */
  seed(output: Tensor, gradient: Tensor): void {
    if (output.size !== gradient.size) {
      throw new ShapeError(`The gradient [${gradient.shape}] does not fit the output [${output.shape}].`);
    }
    const window = this.#windowGradient(output);
    if (window) {
      this.device.copy(gradient, window);
      return;
    }
    const copy = this.device.empty(output.shape);
    this.device.copy(gradient, copy);
    this.#gradients.set(output, copy);
  }

  /** {@link gradient}, which becomes the caller's: another {@link backward} begins anew. */
  takeGradient(tensor: Tensor): Tensor | undefined {
    const gradient = this.#gradients.get(tensor);
    this.#gradients.delete(tensor);
    return gradient;
  }

  /**
   * Differentiates the sum of all recorded loss terms, of all seeds, and of Σ output·gradient if given. Gradients of
   * parameters accumulate in `parameter.grad`; activations are freed unless kept.
   *
   * @param options `retain` keeps everything recorded, so that other gradients of the output can follow; the device's scope
   *   frees it.
   */
  backward(output?: Tensor, gradient?: Tensor, { retain = false }: { retain?: boolean } = {}): void {
    if (output && gradient) this.seed(output, gradient);
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      const node = this.#nodes[i];
      const incoming = node.output && this.#gradients.get(node.output);
      if (incoming || !node.output) {
        node.backward(this.#sink(node), incoming!);
        if (node.output && !this.#kept.has(node.output)) {
          this.#gradients.delete(node.output);
          incoming!.dispose();
        }
      }
      if (retain) continue;
      this.#nodes.length = i;
      for (const tensor of node.saved) tensor.dispose();
      if (node.output) this.#free(node.output);
    }
  }

  #free(tensor: Tensor): void {
    if (!this.#kept.has(tensor)) tensor.dispose();
  }

  /** Where the gradient of a window lies, or undefined for any other tensor. */
  #windowGradient(tensor: Tensor): Tensor | undefined {
    const window = this.#windows.get(tensor);
    if (!window) return undefined;
    const { output, offset } = window;
    let whole = this.#gradients.get(output);
    if (!whole) this.#gradients.set(output, (whole = this.device.zeros(output.shape)));
    return whole.view(tensor.shape, whole.offset + offset);
  }

  #sink(node: Node): Sink {
    const into = (index: number): Target => {
      const input = node.inputs[index];
      if (isParameter(input)) {
        const accumulate = input.touched;
        input.touched = true;
        return { tensor: input.grad, accumulate };
      }
      const window = this.#windowGradient(input);
      if (window) return { tensor: window, accumulate: true };
      const existing = this.#gradients.get(input);
      if (!existing) {
        const tensor = this.device.empty(input.shape);
        this.#gradients.set(input, tensor);
        return { tensor, accumulate: false };
      }
      if (existing.storage.references === 1) return { tensor: existing, accumulate: true };
      // Shared with another input's gradient by pass(): summing in place would change that one too.
      const own = this.device.empty(input.shape);
      this.device.copy(existing, own);
      existing.dispose();
      this.#gradients.set(input, own);
      return { tensor: own, accumulate: true };
    };
    return {
      wants: (index) => this.#wants(node.inputs[index]),
      into,
      added: (index) => {
        const { tensor, accumulate } = into(index);
        if (!accumulate) this.device.clear(tensor);
        return tensor;
      },
      pass: (index, gradient) => {
        const input = node.inputs[index];
        if (!this.#wants(input)) return;
        if (!isParameter(input) && !this.#windows.has(input) && !this.#gradients.has(input)) {
          this.#gradients.set(input, gradient.reshape(input.shape));
          return;
        }
        const { tensor, accumulate } = into(index);
        this.device.run(axpy({ n: tensor.size, a: 1, accumulate }), { x: gradient, y: tensor });
      },
    };
  }
}
