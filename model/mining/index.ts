export { type AntiNoise, type Mined, type MiningInputs, type MiningOptions, minePseudoLabels } from './mining.ts';
export {
  type AssignedLabels,
  assignedLabels,
  mineProposalClusters,
  type ProposalClusters,
} from './proposal-clusters.ts';
