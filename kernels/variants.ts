import { CONV_VARIANTS } from './conv/choose.ts';
import { GEMM_VARIANTS } from './gemm/choose.ts';

/** The names of all candidates that there are for some shape and device. */
export const VARIANTS: readonly string[] = [...CONV_VARIANTS, ...GEMM_VARIANTS];
