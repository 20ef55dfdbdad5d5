export { type AntiNoise, type Mined, type MiningInputs, type MiningOptions, minePseudoLabels } from './mining.ts';
