export { type AntiNoise, type Mined, minePseudoLabels, type MiningInputs, type MiningOptions } from './mining.ts';
