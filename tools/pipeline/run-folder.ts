import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OutputError, reasonOf } from '../errors.ts';
import type { CheckpointKind } from './checkpoint-content.ts';

/** Where a run keeps what. Every stage writes its file last and whole, so what exists is done. */
export class RunFolder {
  readonly root: string;
  /** Holds what comes before the training of the network. */
  readonly #start: string;

  /**
   * @param start a run whose classifier, proposals and labels are used; by default this one.
   * @throws OutputError when the folder cannot be made or written to.
   */
  constructor(root: string, start?: RunFolder) {
    this.root = resolve(root);
    this.#start = start?.root ?? this.root;
    try {
      mkdirSync(this.root, { recursive: true });
    } catch (cause) {
      throw new OutputError(`Cannot write to ${this.root}: ${reasonOf(cause)}.`, 'Choose another folder with --out.', {
        cause,
      });
    }
  }

  get recipe(): string {
    return join(this.root, 'recipe.json');
  }
  get classifier(): string {
    return join(this.#start, 'classifier.safetensors');
  }
  /** One JSON object a line: step, learning rate, losses. */
  log(kind: CheckpointKind): string {
    return join(this.root, `${kind}.log.jsonl`);
  }
  /** One JSON object a line: time, memory, times of kernels, previews; see `monitor.ts`. */
  monitor(kind: CheckpointKind): string {
    return join(this.root, `${kind}.monitor.jsonl`);
  }
  /** Of TensorBoard's event file. */
  tensorBoard(kind: CheckpointKind): string {
    return join(this.root, 'tensorboard', kind);
  }
  /** Which kernels the trainings used. */
  get kernels(): string {
    return join(this.root, 'kernels.json');
  }
  get proposals(): string {
    return join(this.#start, 'proposals');
  }
  /** Cluster labels of the training images' proposals. */
  get labels(): string {
    return join(this.#start, 'labels.safetensors');
  }
  /** What they were made around, see `assign/peaks.ts`. */
  get peaks(): string {
    return join(this.#start, 'peaks.safetensors');
  }
  get cim(): string {
    return join(this.root, 'cim.safetensors');
  }
  /** COCO results of the validation split: of the refinement branches, and of the anti-noise branch. */
  get results(): string {
    return join(this.root, 'results.json');
  }
  get antiNoiseResults(): string {
    return join(this.root, 'results-anti-noise.json');
  }
  /** COCO annotations of the training split for Mask R-CNN. */
  get pseudoLabels(): string {
    return join(this.root, 'pseudo-labels.json');
  }
  get overlays(): string {
    return join(this.root, 'overlays');
  }
  get report(): string {
    return join(this.root, 'report.html');
  }
  get summary(): string {
    return join(this.root, 'summary.json');
  }
}
