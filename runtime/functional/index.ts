export * from './conv.ts';
export * from './elementwise.ts';
export * from './linear.ts';
export * from './normalise.ts';
export * from './softmax.ts';
export * from './loss.ts';
export * from './roi.ts';
export * from './peak.ts';
