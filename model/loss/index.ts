export { clsIouLoss, type ClsIouInputs, type ClsIouOptions } from './cls-iou.ts';
export { lossWeightBagLoss } from './loss-weight-bag.ts';
export { milBagLoss } from './mil-bag.ts';
export { pclLoss } from './pcl.ts';
