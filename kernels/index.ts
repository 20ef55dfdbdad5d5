/** The one list of kernels. */
export * from './kernel.ts';
export * from './elementwise/elementwise.ts';
