/** The one list of kernels. */
export * from './kernel.ts';
export * from './elementwise/elementwise.ts';
export * from './conv/conv.ts';
export * from './gemm/gemm.ts';
export * from './plan.ts';
export * from './mask/mask.ts';
export * from './normalise/batchnorm.ts';
export * from './reduce/reduce.ts';
export * from './softmax/softmax.ts';
export * from './loss/cls-iou.ts';
export * from './loss/log-sum-exp.ts';
export * from './loss/mil-bag.ts';
export * from './loss/multi-label.ts';
export * from './loss/pcl.ts';
export * from './roi/mask-fuse.ts';
export * from './roi/roi-align.ts';
