import type { BackboneConfig } from '../backbone/index.ts';
import type { CimConfig } from '../cim.ts';
import type { Pooling } from '../classify/classifier.ts';
import type { ProposalOptions } from '../proposals/proposals.ts';
import type { SolverConfig } from '../solver/solver.ts';
import type { CimTraining } from '../train/train-cim.ts';
import type { ClassifierTraining } from '../train/train-classifier.ts';

/** Options of the proposals that are made from superpixels. */
export type SuperpixelProposals = { readonly type: 'superpixels' } & Required<Omit<ProposalOptions, 'maxAreaFraction'>>;

/** Everything that decides a run from images and image labels to instances. Complete: nothing is inherited. */
export interface Recipe {
  /** As it appears in reports. */
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  /** All stages work on images of at most this longer side, pixels; larger ones are scaled down. */
  readonly workingSize: number;
  /** Of all random numbers. */
  readonly seed: number;
  /** Of the network. */
  readonly backbone: BackboneConfig;
  /**
   * The file of published weights that the backbone starts from, sought in the working folder, in the data set's and
   * beside it. Null: the classifier's backbone, where it is the same, or none.
   */
  readonly backboneWeights: string | null;
  /** Stage 1: an image classifier, whose responses locate classes. */
  readonly classifier: {
    /** Null: the network's own. */
    readonly backbone: BackboneConfig | null;
    /** Every image is stretched to this size. Null: to the most frequent size among the images. */
    readonly canvas: { readonly width: number; readonly height: number } | null;
    /** Like {@link Recipe.backboneWeights}. With a file and no training steps it is used as it is. */
    readonly weights: string | null;
    readonly pooling: Pooling;
    readonly training: ClassifierTraining;
    readonly solver: SolverConfig;
  };
  /** Class-agnostic masks: made from superpixels, or those of COB (`.mat` files in the data set's folder). */
  readonly proposals: SuperpixelProposals | { readonly type: 'cob' };
  /** Stage 2: cluster labels (AGPL) from the classifier's peaks, or from one point an instance (`Center_points/`). */
  readonly labels: {
    readonly source: 'peaks' | 'points';
    /** Response above which every peak counts; below it, only a class's best one. */
    readonly peakThreshold: number;
    /** Share of the proposals around a peak that must agree on a pixel of the average mask. */
    readonly averageThreshold: number;
    /** Mask IoU with the average mask from which a proposal joins the cluster. */
    readonly iouThreshold: number;
  };
  /** Stage 3: the network and its training. */
  readonly cim: Omit<CimConfig, 'classes' | 'backbone'>;
  /** Steps, batches and views. */
  readonly training: CimTraining;
  /** Of the network's training. */
  readonly solver: SolverConfig;
  /** Steps between checkpoints of either training. */
  readonly checkpointEvery: number;
  /** Stage 4: views of an image, and which detections remain. */
  readonly test: {
    /** Longer sides of the test passes, as multiples of the working image or in pixels. */
    readonly scales: readonly number[];
    readonly unit: 'image' | 'pixels';
    /** Adds a mirrored pass of each. */
    readonly flip: boolean;
    readonly nmsThreshold: number;
    readonly detectionsPerImage: number;
  };
  /** Detections of a labelled class from this score on become pseudo labels for Mask R-CNN. */
  readonly pseudoLabelThreshold: number;
}
