import type { Device, Generator, Tape, Tensor } from '@cim/runtime';
import { type Backbone, type BackboneConfig, createBackbone } from './backbone/index.ts';
import { ClsIouModel, type HeadScores } from './heads/cls-iou-model.ts';
import { clsIouLoss, milBagLoss, pclLoss, proposalClusterLoss } from './loss/index.ts';
import {
  type AntiNoise,
  type AssignedLabels,
  assignedLabels,
  type Mined,
  type MiningInputs,
  mineProposalClusters,
  minePseudoLabels,
  type ProposalClusters,
} from './mining/index.ts';
import type { Pass } from './nn/layers.ts';
import { ParameterStore, type StoreOptions } from './nn/parameters.ts';
import { MaskFuse, type MaskFuseConfig } from './region/mask-fuse.ts';
import type { LossTerm } from './train/loss-terms.ts';

/** How pseudo instance labels are found for the refinement branches. */
export type Strategy =
  /** Complete Instances Mining: seeds, then the most confident proposals that contain them. */
  | 'cim'
  /** MIST (Ren et al., CVPR 2020): the seeds themselves. */
  | 'mist'
  /** OICR (Tang et al., CVPR 2017): the best proposal of every class. It has its own loss, and no mask IoU head. */
  | 'oicr'
  /** PCL (Tang et al., TPAMI 2018): centres of proposal clusters. It has its own loss, and no mask IoU head. */
  | 'pcl'
  /** WSDDN (Bilen and Vedaldi, CVPR 2016): no refinement, the anti-noise branch alone is trained and tested. */
  | 'wsddn';

/** The network and what it learns by. Names in brackets are those of the original's configuration or code. */
export interface CimConfig {
  /** C, without the background. */
  readonly classes: number;
  /** Turns the image into one feature map. */
  readonly backbone: BackboneConfig;
  /** Features of a proposal from its box and mask. */
  readonly region: MaskFuseConfig;
  /** K, the number of refinement branches (REFINE_TIMES). */
  readonly branches: number;
  /** How pseudo instance labels are found. */
  readonly strategy: Strategy;
  /** Share of the proposals taken as seeds per class (p_seed). */
  readonly seedFraction: number;
  /** Each branch raises the thresholds of the one before by this much (step_rate). */
  readonly thresholdStep: number;
  /** A proposal contains another when more than this share of it lies inside (con_thr). */
  readonly containmentThreshold: number;
  /** Without the anti-noise branch, the first refinement branch learns from the labels assigned before training (AGPL). */
  readonly antiNoiseBranch: boolean;
  /** Whether pseudo ground truths are drawn at random by their weights (section 3.3 of the paper), or all kept. */
  readonly antiNoiseSampling: boolean;
  /** Proposal cluster learning on the classifier, from the labels assigned before training. */
  readonly clusterLoss: boolean;
  /** Without the mask IoU head, proposals are scored by their class probabilities alone. */
  readonly maskIouHead: boolean;
  /**
   * Whether proposals that contain almost all others become background for CIM. The original means to do so, but its
   * line fails unnoticed.
   */
  readonly bigProposalsAreBackground: boolean;
}

/** Images of one size with their proposals, on the device. B images of N proposals each. */
export interface Batch {
  /** [B, 3, H, W], normalised. */
  readonly images: Tensor;
  /** Of shape [ΣN, 5]: batch index, x1, y1, x2, y2 in pixels of the images; image after image. */
  readonly rois: Tensor;
  /** Of shape [ΣN, 7, 7]: share of every cell that the mask covers. */
  readonly masks: Tensor;
  /** N of each image. */
  readonly counts: readonly number[];
}
/** What training knows of one image with N proposals, on the device. C classes. */
export interface Supervision {
  /** [C], 0 or 1. */
  readonly labels: Tensor;
  /** [N, C+1] cluster numbers (model/assign); unread with the anti-noise branch but without the cluster loss. */
  readonly clusters: Tensor;
  /** [N, N] mask IoU, rounded to half precision. */
  readonly iou: Tensor;
  /** [N, N] share of mask j that lies inside mask i, rounded to half precision. */
  readonly containment: Tensor;
}

/** Loss values, one-element tensors on the device; branches of the original's names add up. */
export interface CimLosses {
  /** Bag loss of the anti-noise branch; absent without it. */
  readonly bag: Tensor | null;
  /** Cluster loss on its classifier, 12-fold as in the original; absent when it is switched off. */
  readonly pcl: Tensor | null;
  /** Per refinement branch, [3]: classification, mask IoU and bag loss, unweighted; for OICR and PCL the one loss, [1]. */
  readonly refinement: readonly Tensor[];
  /** What each refinement branch learned from. */
  readonly mined: readonly (Mined | ProposalClusters | AssignedLabels)[];
}

/** λ of the pseudo labels of refinement branch k, and the factor of the mask IoU loss in the total. */
const lambdaOf = (k: number): number => (k === 0 ? 3 : 1);
const IOU_LOSS_WEIGHT = 3;
/** Thresholds of the first branch (lib/modeling/heads.py, CIM_layer). */
const CLS_THRESHOLD = 0.25;
const IOU_THRESHOLD = 0.5;

/** Whether refinement branches learn the mask IoU, and proposals are scored by cls·iou. */
export const usesMaskIou = ({ strategy, maskIouHead }: Pick<CimConfig, 'strategy' | 'maskIouHead'>): boolean =>
  maskIouHead && (strategy === 'cim' || strategy === 'mist');

/** The numbers in {@link lossParts}, one after the other. */
export function lossTerms(config: CimConfig): LossTerm[] {
  const { strategy, branches, antiNoiseBranch, clusterLoss } = config;
  const ownLoss = strategy === 'oicr' || strategy === 'pcl';
  const refinement = [
    { name: 'cls', weight: 1 },
    ...(ownLoss
      ? []
      : [
          { name: 'iou', weight: usesMaskIou(config) ? IOU_LOSS_WEIGHT : 0 },
          { name: 'bag', weight: 1 },
        ]),
  ];
  return [
    ...(antiNoiseBranch ? [{ name: 'bag', weight: 1 }] : []),
    ...(antiNoiseBranch && clusterLoss ? [{ name: 'pcl', weight: 1 }] : []),
    ...Array.from({ length: strategy === 'wsddn' ? 0 : branches }, () => refinement).flat(),
  ];
}

/** All loss values of an image, named and weighted by {@link lossTerms}. */
export const lossParts = ({ bag, pcl, refinement }: CimLosses): Tensor[] =>
  [bag, pcl, ...refinement].filter((part) => part !== null);

/** The scores that the next branch is taught by. */
type Teacher = Pick<MiningInputs, 'cls' | 'det'>;

/** What refinement branch k learns from; without a teacher, from the labels assigned before training. */
interface Lesson {
  readonly tape: Tape;
  readonly k: number;
  readonly branch: HeadScores['refinement'][number];
  readonly teacher: Teacher | null;
  readonly supervision: Supervision;
}

/**
 * The network of Complete Instances Mining (IJCAI 2023; Generalized_RCNN, lib/modeling/model_builder.py):
 * backbone → region features → anti-noise branch and refinement branches. Every branch learns from labels mined in
 * the scores of the branch before it; all of it stays on the GPU.
 *
 * @example
 * ```ts
 * import { Cim } from '@cim/model/cim';
 * import { presets } from '@cim/model/recipe/presets';
 * import { Device, Generator, Tape } from '@cim/runtime';
 *
 * const device = await Device.open();
 * const { cim: config, backbone } = presets.small;
 * const cim = new Cim(device, { ...config, backbone, classes: 20 }, new Generator(1));
 * const batch = {
 *   images: device.zeros([1, 3, 96, 128]), // normalised RGB
 *   rois: device.tensor([0, 8, 8, 64, 64, 0, 0, 0, 100, 90], [2, 5]), // image, box in pixels
 *   masks: device.tensor(new Float32Array(2 * 7 * 7).fill(1), [2, 7, 7]),
 *   counts: [2],
 * };
 * const [{ refinement }] = cim.forward(new Tape(device, { recording: false }), batch);
 * console.log(refinement.length, refinement[0].cls.shape); // → 3 [ 2, 21 ]
 * await device.close();
 * ```
 */
export class Cim {
  /** As given. */
  readonly config: CimConfig;
  /** All weights and buffers, under the names that the original's checkpoints have. */
  readonly parameters: ParameterStore;
  /** Features of the image. */
  readonly backbone: Backbone;
  /** Features of the proposals. */
  readonly region: MaskFuse;
  /** Scores of the proposals. */
  readonly heads: ClsIouModel;

  /** Generator and options are those of {@link ParameterStore}. */
  constructor(device: Device, config: CimConfig, generator: Generator | null, options: StoreOptions = {}) {
    this.config = config;
    this.parameters = new ParameterStore(device, generator, options);
    const root = this.parameters.scope();
    this.backbone = createBackbone(root.child('Conv_Body'), config.backbone);
    this.region = new MaskFuse(root.child('Box_Head'), this.backbone.channels, this.backbone.stride, config.region);
    this.heads = new ClsIouModel(root.child('cls_iou_model'), this.region.hidden, config.classes, config.branches);
  }

  /**
   * Class and IoU probabilities of every proposal, image by image. Batch norm statistics are frozen.
   * @param options `recompute`: less memory for more time: parts of the backbone run again in the backward pass.
   */
  forward(
    tape: Tape,
    { images, rois, masks, counts }: Batch,
    { recompute = false }: { recompute?: boolean } = {},
  ): HeadScores[] {
    const pass: Pass = { tape, batchStatistics: false, recompute };
    const features = this.backbone.forward(pass, images);
    return this.heads.forward(pass, this.region.forward(pass, features, rois, masks), counts);
  }

  /** Mines labels for every refinement branch of one image and records its losses on the tape. */
  losses(
    tape: Tape,
    scores: HeadScores,
    supervision: Supervision,
    antiNoise: (branch: number) => AntiNoise,
  ): CimLosses {
    const { strategy, antiNoiseBranch, clusterLoss } = this.config;
    const { labels, clusters } = supervision;
    const refinement: Tensor[] = [];
    const mined: CimLosses['mined'][number][] = [];
    let teacher: Teacher | null = antiNoiseBranch ? { cls: scores.classifier, det: scores.detector } : null;
    if (strategy !== 'wsddn') {
      scores.refinement.forEach((branch, k) => {
        const lesson = { tape, k, branch, teacher, supervision };
        const learned =
          strategy === 'oicr' || strategy === 'pcl'
            ? this.#learnClusters(lesson, strategy)
            : this.#learnInstances(lesson, strategy, antiNoise);
        refinement.push(learned.losses);
        mined.push(learned.found);
        teacher = { cls: branch.cls, det: usesMaskIou(this.config) ? branch.iou : null };
      });
    }
    return {
      bag: antiNoiseBranch ? milBagLoss(tape, scores.classifier, scores.detector, labels, 1) : null,
      pcl: antiNoiseBranch && clusterLoss ? pclLoss(tape, scores.classifier, clusters, 1) : null,
      refinement,
      mined,
    };
  }

  /** CIM and MIST. */
  #learnInstances(
    { tape, k, branch, teacher, supervision }: Lesson,
    strategy: 'cim' | 'mist',
    antiNoise: (branch: number) => AntiNoise,
  ) {
    const { seedFraction, thresholdStep, containmentThreshold, antiNoiseSampling, bigProposalsAreBackground } =
      this.config;
    const { labels, clusters, iou, containment } = supervision;
    const found = teacher
      ? minePseudoLabels(
          tape.device,
          { ...teacher, labels, iou, containment },
          {
            strategy,
            seedFraction,
            clsThreshold: CLS_THRESHOLD + thresholdStep * k,
            nmsThreshold: CLS_THRESHOLD + thresholdStep * k,
            iouThreshold: IOU_THRESHOLD + thresholdStep * k,
            containmentThreshold,
            antiNoise: antiNoiseSampling ? antiNoise(k) : null,
            bigProposalsAreBackground,
          },
        )
      : assignedLabels(tape.device, clusters);
    const useIou = usesMaskIou(this.config);
    const losses = clsIouLoss(
      tape,
      { cls: branch.cls, iou: branch.iou, mined: found, labels },
      { lambda: lambdaOf(k), weights: { cls: 1, iou: useIou ? IOU_LOSS_WEIGHT : 0, bag: 1 }, useIou },
    );
    return { found, losses };
  }

  /** OICR and PCL. */
  #learnClusters({ tape, k, branch, teacher, supervision }: Lesson, strategy: 'oicr' | 'pcl') {
    const { labels, clusters, iou } = supervision;
    const found = teacher
      ? mineProposalClusters(tape.device, { ...teacher, labels, iou }, strategy)
      : assignedLabels(tape.device, clusters);
    const options = { lambda: lambdaOf(k), pooled: strategy === 'pcl', weight: 1 };
    return { found, losses: proposalClusterLoss(tape, branch.cls, found, options) };
  }
}
