/** The network of Complete Instances Mining and everything around it that touches neither files nor WebGPU. */
export * from './assign/index.ts';
export * from './backbone/index.ts';
export {
  type Batch,
  Cim,
  type CimConfig,
  type CimLosses,
  lossParts,
  lossTerms,
  type Strategy,
  type Supervision,
  usesMaskIou,
} from './cim.ts';
export { Classifier, type ClassifierConfig } from './classify/classifier.ts';
export { ImageNetClassifier, type ImageNetConfig, imageNetBackbones } from './classify/imagenet.ts';
export * from './detect/select-detections.ts';
export * from './evaluate/coco.ts';
export * from './evaluate/voc-report.ts';
export * from './infer/score-proposals.ts';
export * from './infer/test-passes.ts';
export * from './label/pseudo-labels.ts';
export * from './masks/index.ts';
export * from './mining/index.ts';
export { type Arena, ParameterStore, Scope } from './nn/parameters.ts';
export * from './nn/state-dict.ts';
export * from './peaks/index.ts';
export * from './prm/index.ts';
export * from './proposals/proposals.ts';
export * from './recipe/presets.ts';
export type { Recipe } from './recipe/recipe.ts';
export { Solver, type SolverConfig } from './solver/solver.ts';
export * from './train/sample.ts';
export * from './train/train-cim.ts';
export { type ClassifierTraining, trainClassifier } from './train/train-classifier.ts';
export * from './weights/published.ts';
