import type { VocReport } from '@cim/model/evaluate/voc-report';
import type { AdapterDescription } from '@cim/runtime';

/** Mask AP in percent. */
export interface Scores {
  readonly mAP25: number;
  readonly mAP50: number;
  readonly mAP70: number;
  readonly mAP75: number;
  /** COCO AP, mean over IoU .50:.95. */
  readonly AP: number;
}

/** One trained network (or one of its branches) on the validation split. */
export interface StrategyScores extends Scores {
  readonly strategy: string;
  readonly seed: number;
  /** Per class, in percent at the IoU thresholds of the VOC report. */
  readonly byClass: VocReport['byCategory'];
}

/** `summary.json` of a run: what came out, how long it took, on what. */
export interface RunSummary {
  readonly recipe: string;
  readonly data: { readonly folder: string; readonly classes: string[]; readonly train: number; readonly val: number };
  readonly strategies: readonly StrategyScores[];
  /** Image classification on the validation split, mean AP in percent; null without a classifier. */
  readonly classifier: { readonly mAP: number } | null;
  /** How good the proposals of the validation split are, IoU and shares 0 to 1, mAP in percent. */
  readonly proposals: {
    readonly meanBestIoU: number;
    readonly recall50: number;
    readonly recall70: number;
    readonly upperBoundMAP50: number;
    readonly perImage: number;
    /** In the thread that finds an image's regions, mean; 0 where they were there before. */
    readonly secondsPerImage: number;
  };
  /**
   * Seconds of each stage, in the order they ended; 0 for one that was done before. Proposals are made beside the
   * classifier's training: theirs are those that were waited for.
   */
  readonly seconds: Readonly<Record<string, number>>;
  readonly adapter: AdapterDescription;
  /** Largest GPU memory in use, bytes. */
  readonly peakBytes: number;
  /** Images that could not be used, with the reason. */
  readonly skipped: readonly string[];
}

/** One point of a training curve. */
export interface CurvePoint {
  readonly step: number;
  readonly lr: number;
  readonly losses: Readonly<Record<string, number>>;
}
