import * as kernels from '@cim/kernels';
import { type Device, ShapeError, type Tensor } from '@cim/runtime';
import { float16 } from './float16.ts';
import { type MiningInputs, miningShape } from './mining.ts';

/** What a refinement branch of OICR or PCL learns from. N proposals. */
export interface ProposalClusters {
  /** [N] i32: −1 ignored, 0 background, else class + 1. */
  readonly pseudoLabels: Tensor;
  /** [N] i32: numbers the clusters of the foreground; −1 elsewhere. */
  readonly clusters: Tensor;
  /** [N] f32: score of the cluster, also of the background around it; 0 where ignored. */
  readonly lossWeights: Tensor;
  /** [1] u32: labels come from so many clusters, or labelled proposals. */
  readonly count: Tensor;
}

/** Of the original's configuration: TRAIN.FG_THRESH, BG_THRESH, GRAPH_IOU_THRESHOLD and MAX_PC_NUM. */
const FOREGROUND_THRESHOLD = 0.5;
const IGNORE_THRESHOLD = 0.1;
const GRAPH_THRESHOLD = 0.4;
const CENTRES_PER_CLASS = 5;

/**
 * Pseudo ground truths of OICR (the best proposal of every class) or PCL (centres of proposal clusters), and the
 * proposals round them (OICR and PCL, pcl.pytorch lib/model/pcl/pcl.py; the steps are described in
 * kernels/mining/cluster-centres.ts). Proposals overlap by their masks here, by their boxes in the original. Runs on the
 * GPU without a read-back; no gradient flows through it.
 */
export function mineProposalClusters(
  device: Device,
  { cls, det, labels, iou }: Pick<MiningInputs, 'cls' | 'det' | 'labels' | 'iou'>,
  strategy: 'oicr' | 'pcl',
): ProposalClusters {
  const shape = miningShape({ cls, det, labels, iou });
  const { n } = shape;
  const scores = { cls, det: det ?? cls, labels };
  const seedLabels = device.empty([n], 'i32');
  const seedWeights = device.empty([n]);
  const truths = device.empty([kernels.truthsSize(n)], 'u32');
  const found = { seedLabels, seedWeights, truths };
  if (strategy === 'oicr') {
    device.run(kernels.selectTopProposals(shape), { ...scores, ...found });
  } else {
    const work = device.empty([kernels.centresWorkSize(n)], 'u32');
    const graph = { graphThreshold: float16(GRAPH_THRESHOLD), centresPerClass: CENTRES_PER_CLASS };
    device.run(kernels.selectClusterCentres({ ...shape, ...graph }), { ...scores, iou, work, ...found });
    work.dispose();
  }

  const pseudoLabels = device.empty([n], 'i32');
  const clusters = device.empty([n], 'i32');
  const lossWeights = device.empty([n]);
  const assign = kernels.assignClusters({
    n,
    foregroundThreshold: float16(FOREGROUND_THRESHOLD),
    ignoreThreshold: float16(IGNORE_THRESHOLD),
  });
  device.run(assign, { iou, ...found, pseudoLabels, clusters, lossWeights });
  const count = truths.view([1], 0);
  for (const tensor of [seedLabels, seedWeights, truths]) tensor.dispose();
  return { pseudoLabels, clusters, lossWeights, count };
}

/** Labels straight from the clusters that were assigned before training. */
export interface AssignedLabels extends ProposalClusters {
  /** [N] f32: 1 in the foreground, whose proposals overlap their instance well, else 0. */
  readonly pseudoIou: Tensor;
}

/**
 * Labels of all proposals as they were assigned before training (AGPL): what the first refinement branch learns from
 * where there is no anti-noise branch.
 * @param assigned [N, C+1] cluster numbers (model/assign): at most one a row, in the column of its class.
 * @throws ShapeError when it has not two dimensions.
 */
export function assignedLabels(device: Device, assigned: Tensor): AssignedLabels {
  if (assigned.shape.length !== 2)
    throw new ShapeError(`Assigned clusters are [N, C+1]; these are [${assigned.shape}].`);
  const [n, columns] = assigned.shape;
  const labels = {
    pseudoLabels: device.empty([n], 'i32'),
    pseudoIou: device.empty([n]),
    clusters: device.empty([n], 'i32'),
    lossWeights: device.empty([n]),
    count: device.empty([1], 'u32'),
  };
  device.run(kernels.clusterLabels({ n, columns }), { assigned, ...labels });
  return labels;
}
