import * as kernels from '@cim/kernels';
import { type Device, ShapeError, type Tensor } from '@cim/runtime';
import { float16 } from './float16.ts';

/** What one refinement branch learns from. N proposals. */
export interface Mined {
  /** [N] i32: −1 ignored, 0 background, else class + 1. */
  readonly pseudoLabels: Tensor;
  /** [N] f32, 0 or 1: whether the proposal's IoU with its pseudo ground truth exceeds the threshold. */
  readonly pseudoIou: Tensor;
  /** [N] f32: score of the pseudo ground truth a proposal was labelled by; 0 where ignored. */
  readonly lossWeights: Tensor;
  /** [1] u32: pseudo ground truths before sampling. 0: nothing was mined, the branch learns nothing. */
  readonly count: Tensor;
  /** [N] i32: pseudo ground truths before sampling, as class + 1; −1 elsewhere. */
  readonly seedLabels: Tensor;
  /** [N] f32: their scores cls·det; 0 elsewhere. */
  readonly seedWeights: Tensor;
}

/** What one refinement branch finds its labels in. */
export interface MiningInputs {
  /** [N, C+1], background first, or [N, C]: class probabilities of the branch before. */
  readonly cls: Tensor;
  /**
   * [N, C+1], [N, C], or class-agnostic [N, 1]: detection or IoU scores of the branch before. Null: there are none, and
   * class probabilities stand for them and for cls·det.
   */
  readonly det: Tensor | null;
  /** [C], 0 or 1. */
  readonly labels: Tensor;
  /** [N, N] symmetric mask IoU, rounded to half precision. */
  readonly iou: Tensor;
  /** [N, N] share of mask j that lies inside mask i, rounded to half precision. */
  readonly containment: Tensor;
}

/**
 * Draws of the anti-noise sampling: Philox blocks counter, counter + 1, … (at most N of them), or given numbers, in the
 * order of ascending classes: positions in the list of all pseudo ground truths, or uniforms in [0, 1).
 */
export type AntiNoise =
  | { readonly seed: number; readonly counter: number }
  | { readonly draws: ArrayLike<number> }
  | { readonly uniforms: ArrayLike<number> };

/** Thresholds of mining (section 3.2 of the paper); they rise from branch to branch. */
export interface MiningOptions {
  /** Complete Instances Mining, or MIST (Ren et al., CVPR 2020), which takes the seeds themselves. */
  readonly strategy: 'cim' | 'mist';
  /** Share of the proposals taken as seeds per class (p_seed). */
  readonly seedFraction?: number;
  /** Proposals of a smaller IoU with the nearest pseudo ground truth are background. */
  readonly clsThreshold: number;
  /** Seeds are kept while their IoU with better ones is smaller. */
  readonly nmsThreshold: number;
  /** Above it the IoU label is 1. */
  readonly iouThreshold: number;
  /** A proposal contains another when more than this share of it lies inside. */
  readonly containmentThreshold?: number;
  /** Null: every pseudo ground truth survives. */
  readonly antiNoise: AntiNoise | null;
  /** Whether proposals that contain almost all others become background ('cim' only); they never do in the original. */
  readonly bigProposalsAreBackground?: boolean;
}

/**
 * Finds pseudo ground truths among the proposals of an image from the scores of the branch before, and labels all
 * proposals by them (CIM_layer, lib/modeling/heads.py; the steps are described in kernels/mining/mining.ts). Runs on
 * the GPU without a read-back; no gradient flows through it.
 *
 * @throws ShapeError when the tensors do not belong to the same proposals and classes.
 */
export function minePseudoLabels(
  device: Device,
  { cls, det, labels, iou, containment }: MiningInputs,
  {
    strategy,
    seedFraction = 0.1,
    clsThreshold,
    nmsThreshold,
    iouThreshold,
    containmentThreshold = 0.85,
    antiNoise,
    bigProposalsAreBackground = false,
  }: MiningOptions,
): Mined {
  const shape = miningShape({ cls, det, labels, iou });
  const { n, classes } = shape;
  if (containment.size !== n * n) {
    throw new ShapeError(`The containment of ${n} proposals must be [${n}, ${n}]; it is [${containment.shape}].`);
  }
  const scores = { cls, det: det ?? cls, labels };

  const claimed = device.empty([classes, n], 'u32');
  const claim = { ...shape, seeds: Math.ceil(seedFraction * n), nmsThreshold: float16(nmsThreshold) };
  const work = device.empty([kernels.claimWorkSize(claim)], 'u32');
  const usable = strategy === 'cim' ? device.empty([n], 'u32') : null;
  if (usable) {
    const threshold = float16(containmentThreshold);
    device.run(kernels.usableProposals({ n, threshold }), { containment, usable });
    const kernel = kernels.claimContainers({ ...claim, containmentThreshold: threshold });
    device.run(kernel, { ...scores, iou, containment, usable, work, claimed });
  } else {
    device.run(kernels.claimSeeds(claim), { ...scores, iou, work, claimed });
  }
  work.dispose();

  const truths = device.empty([kernels.truthsSize(n)], 'u32');
  const seedLabels = device.empty([n], 'i32');
  const seedWeights = device.empty([n]);
  const { given, ...sampling } = samplingFrom(device, antiNoise);
  const select = kernels.selectPseudoTruths({ ...shape, ...sampling });
  // Without given numbers any tensor serves: the kernel does not read it.
  device.run(select, { ...scores, claimed, given: given ?? labels, seedLabels, seedWeights, truths });
  given?.dispose();
  claimed.dispose();

  const pseudoLabels = device.empty([n], 'i32');
  const pseudoIou = device.empty([n]);
  const lossWeights = device.empty([n]);
  const assign = kernels.assignPseudoLabels({
    n,
    clsThreshold: float16(clsThreshold),
    iouThreshold: float16(iouThreshold),
  });
  device.run(assign, { iou, truths, seedLabels, seedWeights, pseudoLabels, pseudoIou, lossWeights });
  if (usable && bigProposalsAreBackground) {
    device.run(kernels.bigProposalsToBackground({ n }), { usable, pseudoLabels });
  }
  usable?.dispose();
  const count = truths.view([1], 0);
  truths.dispose();
  return { pseudoLabels, pseudoIou, lossWeights, count, seedLabels, seedWeights };
}

/**
 * Sizes of a mining problem, from its tensors.
 * @throws ShapeError for tensors that do not belong to the same proposals and classes.
 */
export function miningShape({
  cls,
  det,
  labels,
  iou,
}: Pick<MiningInputs, 'cls' | 'det' | 'labels' | 'iou'>): kernels.MiningShape {
  const [n, clsColumns] = cls.shape;
  const detColumns = det ? det.size / n : 0;
  const classes = labels.size;
  const background = clsColumns - classes;
  if (
    (background !== 0 && background !== 1) ||
    (det && ![1, classes, classes + 1].includes(detColumns)) ||
    iou.size !== n * n
  ) {
    throw new ShapeError(
      `Mining needs cls [N, C+1] or [N, C], det likewise or [N, 1], labels [C] and iou [N, N]; ` +
        `got [${cls.shape}], [${det?.shape ?? 'none'}], [${labels.shape}] and [${iou.shape}].`,
    );
  }
  return { n, classes, clsColumns, detColumns };
}

function samplingFrom(
  device: Device,
  antiNoise: AntiNoise | null,
): { sampling: kernels.Sampling; seed?: number; counter?: number; given?: Tensor } {
  if (!antiNoise) return { sampling: 'none' };
  if ('draws' in antiNoise) return { sampling: 'draws', given: device.tensor(Float32Array.from(antiNoise.draws)) };
  if ('uniforms' in antiNoise)
    return { sampling: 'uniforms', given: device.tensor(Float32Array.from(antiNoise.uniforms)) };
  return { sampling: 'philox', ...antiNoise };
}
