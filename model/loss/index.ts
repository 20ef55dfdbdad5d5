export { type ClsIouInputs, type ClsIouOptions, clsIouLoss } from './cls-iou.ts';
export { lossWeightBagLoss } from './loss-weight-bag.ts';
export { milBagLoss } from './mil-bag.ts';
export { pclLoss } from './pcl.ts';
