import type { BackboneConfig } from '../backbone/index.ts';
import type { CimConfig } from '../cim.ts';
import type { Pooling } from '../classify/classifier.ts';
import type { SolverConfig } from '../solver/solver.ts';
import type { CimTraining } from '../train/train-cim.ts';
import type { ClassifierTraining } from '../train/train-classifier.ts';

/** Everything that decides a run from images and image labels to instances. Complete: nothing is inherited. */
export interface Recipe {
  readonly name: string;
  readonly description: string;
  /** All stages work on images of at most this longer side, pixels; larger ones are scaled down. */
  readonly workingSize: number;
  readonly seed: number;
  readonly backbone: BackboneConfig;
  /** Stage 1: a classifier from scratch, on image labels. */
  readonly classifier: {
    readonly pooling: Pooling;
    readonly training: ClassifierTraining;
    readonly solver: SolverConfig;
  };
  readonly proposals: {
    readonly superpixels: number;
    readonly limit: number;
    readonly nms: number;
    /** Share of the image's area below which a proposal is dropped. */
    readonly minAreaFraction: number;
  };
  /** Stage 2: cluster labels from the classifier's peaks (AGPL). */
  readonly labels: {
    /** Response above which every peak counts; below it, only a class's best one. */
    readonly peakThreshold: number;
    /** Share of the proposals around a peak that must agree on a pixel of the average mask. */
    readonly averageThreshold: number;
    /** Mask IoU with the average mask from which a proposal joins the cluster. */
    readonly iouThreshold: number;
  };
  /** Stage 3: the network and its training. */
  readonly cim: Omit<CimConfig, 'classes' | 'backbone'>;
  readonly training: CimTraining;
  readonly solver: SolverConfig;
  /** Steps between checkpoints of either training. */
  readonly checkpointEvery: number;
  readonly test: {
    /** Longer sides of the test passes, as multiples of the working image. */
    readonly scales: readonly number[];
    /** Adds a mirrored pass of each. */
    readonly flip: boolean;
    readonly nmsThreshold: number;
    readonly detectionsPerImage: number;
  };
  /** Detections of a labelled class from this score on become pseudo labels for Mask R-CNN. */
  readonly pseudoLabelThreshold: number;
}
