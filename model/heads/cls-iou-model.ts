import { functional as F, type Tensor } from '@cim/runtime';
import { Linear, type Pass } from '../nn/layers.ts';
import type { Scope } from '../nn/parameters.ts';

/** Probabilities of every proposal, [N, C+1] each, background first. */
export interface HeadScores {
  /** Anti-noise branch: softmax over classes. */
  readonly classifier: Tensor;
  /** Anti-noise branch: softmax over proposals. */
  readonly detector: Tensor;
  /** Refinement branches: softmax over classes, and the sigmoid estimate of the mask IoU. */
  readonly refinement: readonly { readonly cls: Tensor; readonly iou: Tensor }[];
}

/** The anti-noise branch and K refinement branches on a region feature (cls_iou_model, lib/modeling/heads.py). */
export class ClsIouModel {
  readonly #classifier: Linear;
  readonly #detector: Linear;
  readonly #refinement: { cls: Linear; iou: Linear }[];

  constructor(scope: Scope, features: number, classes: number, branches: number) {
    const columns = classes + 1;
    this.#classifier = new Linear(scope.child('classifier'), features, columns);
    this.#detector = new Linear(scope.child('detector'), features, columns);
    const heads = (name: string): Linear[] =>
      Array.from({ length: branches }, (_, k) => new Linear(scope.child(name).child(k), features, columns));
    const cls = heads('refine_cls');
    const iou = heads('refine_iou');
    this.#refinement = cls.map((layer, k) => ({ cls: layer, iou: iou[k] }));
  }

  /** @param x [N, D] region features. */
  forward(pass: Pass, x: Tensor): HeadScores {
    const { tape } = pass;
    return {
      classifier: F.softmax(tape, this.#classifier.forward(pass, x), 1),
      detector: F.softmax(tape, this.#detector.forward(pass, x), 0),
      refinement: this.#refinement.map(({ cls, iou }) => ({
        cls: F.softmax(tape, cls.forward(pass, x), 1),
        iou: F.sigmoid(tape, iou.forward(pass, x)),
      })),
    };
  }
}
