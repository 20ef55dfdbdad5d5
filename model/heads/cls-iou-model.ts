import { branchScores, branchScoresBackward } from '@cim/kernels';
import { functional as F, type Tape, type Tensor, type Weight } from '@cim/runtime';
import { uniform } from '../nn/initialise.ts';
import type { Pass } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';

/** Probabilities of every proposal of an image, [N, C+1] each, background first. */
export interface HeadScores {
  /** Anti-noise branch: softmax over classes. */
  readonly classifier: Tensor;
  /** Anti-noise branch: softmax over proposals. */
  readonly detector: Tensor;
  /** Refinement branches: softmax over classes, and the sigmoid estimate of the mask IoU. */
  readonly refinement: readonly { readonly cls: Tensor; readonly iou: Tensor }[];
  /** All of the above in one tensor, [2 + 2K, ≥ N·(C+1)]: classifier, detector, K × cls, K × iou. */
  readonly blocks: Tensor;
}

/**
 * The anti-noise branch and K refinement branches on region features (cls_iou_model, lib/modeling/heads.py). All their
 * linear layers are one matrix product, all their probabilities one kernel an image. All layers are there whatever the
 * configuration trains, so that checkpoints of every variant of the method fit each other.
 */
export class ClsIouModel {
  readonly #columns: number;
  readonly #branches: number;
  readonly #weight: Weight;
  readonly #bias: Tensor;

  /** `features` is the width D of the region features, `classes` C without the background. */
  constructor(scope: Scope, features: number, classes: number, branches: number) {
    this.#columns = classes + 1;
    this.#branches = branches;
    const numbered = (name: string): string[] => Array.from({ length: branches }, (_, k) => `${name}.${k}`);
    const layers = ['classifier', 'detector', ...numbered('refine_cls'), ...numbered('refine_iou')];
    const initialise = uniform(1 / Math.sqrt(features));
    const named = (what: string): string[] => layers.map((layer) => `${layer}.${what}`);
    this.#weight = scope.stacked(named('weight'), [this.#columns, features], initialise);
    this.#bias = scope.stacked(named('bias'), [this.#columns], initialise);
  }

  /**
   * @param x [ΣN, D] region features of one or more images.
   * @param counts N of each image.
   */
  forward({ tape }: Pass, x: Tensor, counts: readonly number[]): HeadScores[] {
    const logits = F.linear(tape, x, this.#weight, this.#bias);
    let firstRow = 0;
    return counts.map((rows) => {
      const scores = this.#scores(tape, logits, firstRow, rows);
      firstRow += rows;
      return scores;
    });
  }

  #scores(tape: Tape, logits: Tensor, firstRow: number, rows: number): HeadScores {
    const { device } = tape;
    const [columns, branches] = [this.#columns, this.#branches];
    // Every block of scores is bound on its own, so each starts where a binding may.
    const alignment = device.limits.minStorageBufferOffsetAlignment / 4;
    const stride = Math.ceil((rows * columns) / alignment) * alignment;
    const shape = { firstRow, rows, columns, branches, stride };
    const scores = device.empty([2 + 2 * branches, stride]);
    device.run(branchScores(shape), { logits, scores });
    tape.record('branchScores', [logits], scores, (sink, dscores) => {
      device.run(branchScoresBackward(shape), { scores, dscores, dlogits: sink.added(0) });
    });
    const block = (b: number): Tensor => tape.slice(scores, [rows, columns], b * stride * 4);
    return {
      classifier: block(0),
      detector: block(1),
      refinement: Array.from({ length: branches }, (_, k) => ({ cls: block(2 + k), iou: block(2 + branches + k) })),
      blocks: scores,
    };
  }
}
