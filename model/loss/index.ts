export { type ClsIouInputs, type ClsIouOptions, clsIouLoss } from './cls-iou.ts';
export { lossWeightBagLoss } from './loss-weight-bag.ts';
export { milBagLoss } from './mil-bag.ts';
export { pclLoss } from './pcl.ts';
export { type ProposalClusterOptions, proposalClusterLoss } from './proposal-cluster.ts';
