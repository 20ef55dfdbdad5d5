/**
 * The CPU references of the kernels, under the names of what they compute: plain loops over arrays, sums in f64. They are
 * slow, and what correct means.
 *
 *     import * as reference from '@cim/kernels/reference';
 *     const y = reference.roiAlign(features, rois, shape);
 */
export * from './channels/channels.reference.ts';
export * from './conv/conv.reference.ts';
export * from './elementwise/elementwise.reference.ts';
export * from './gemm/gemm.reference.ts';
export * from './heads/branch-scores.reference.ts';
export * from './image/image.reference.ts';
export * from './loss/loss.reference.ts';
export * from './mask/mask.reference.ts';
export * from './mining/assign.reference.ts';
export * from './mining/cluster-centres.reference.ts';
export * from './mining/mining.reference.ts';
export * from './normalise/batchnorm.reference.ts';
export * from './normalise/fold.reference.ts';
export * from './optimiser/optimiser.reference.ts';
export * from './peak/peak.reference.ts';
export * from './pool/pool.reference.ts';
export * from './proposal/proposal.reference.ts';
export * from './random/dropout.reference.ts';
export * from './reduce/reduce.reference.ts';
export * from './resize/resize.reference.ts';
export * from './roi/roi.reference.ts';
export * from './softmax/softmax.reference.ts';
