import * as kernels from '@cim/kernels';
import { ShapeError, type Tape, type Tensor } from '@cim/runtime';
import type { ProposalClusters } from '../mining/index.ts';
import { lossValue } from './value.ts';

/** Which of the two losses, and its factors. */
export interface ProposalClusterOptions {
  /** λ, the factor of the loss weights. */
  readonly lambda: number;
  /** PCL, where the proposals of a cluster share their mean probability; else OICR. */
  readonly pooled: boolean;
  /** Factor of the loss in the differentiated total. */
  readonly weight: number;
}

/**
 * Loss of a refinement branch of OICR or PCL (OICRLosses and PCLLosses, pcl.pytorch lib/model/pcl/pcl.py;
 * kernels/loss/proposal-cluster.ts has the formulas) on class probabilities cls [N, C+1], background first. The
 * returned value [1] is without `weight`.
 *
 * @throws ShapeError when labels, clusters and weights are not one for each proposal.
 */
export function proposalClusterLoss(
  tape: Tape,
  cls: Tensor,
  { pseudoLabels, clusters, lossWeights }: Pick<ProposalClusters, 'pseudoLabels' | 'clusters' | 'lossWeights'>,
  { lambda, pooled, weight }: ProposalClusterOptions,
): Tensor {
  const { device } = tape;
  const [n, columns] = cls.shape;
  if (cls.shape.length !== 2 || [pseudoLabels, clusters, lossWeights].some(({ size }) => size !== n)) {
    throw new ShapeError(
      `proposalClusterLoss needs cls [N, C+1] and N labels, clusters and weights; ` +
        `got [${cls.shape}], [${pseudoLabels.shape}], [${clusters.shape}] and [${lossWeights.shape}].`,
    );
  }
  const state = device.empty([kernels.proposalClusterStateSize(n)]);
  const rows = { pseudoLabels, clusters, lossWeights };
  device.run(kernels.proposalClusterLoss({ n, columns, lambda, pooled }), { cls, ...rows, state });
  return lossValue(tape, 'proposalClusterLoss', [cls], state, 1, (sink) => {
    const { tensor: dcls, accumulate } = sink.into(0);
    const backward = kernels.proposalClusterLossBackward({ n, columns, weight, accumulate });
    device.run(backward, { pseudoLabels, state, dcls });
  });
}
