/** What the page and its worker tell each other. */
import type { Peak } from '@cim/model/peaks/find-peaks';
import type { Size } from '@cim/model/prm/resample';
import type { AdapterDescription } from '@cim/runtime/device';
import type { ProposalList } from '../wire.ts';

/** Addresses of a run's files. */
export interface NetworkFiles {
  readonly recipe: string;
  readonly cim: string;
  /** Null where the run has none: there are no responses then. */
  readonly classifier: string | null;
}

/** What the page asks for. One network is opened first; an image asked for later takes the place of one that waits. */
export type Request =
  /** `size`: that of the images that will likely come. */
  | { readonly type: 'open'; readonly files: NetworkFiles; readonly size: Size | null }
  | { readonly type: 'find'; readonly id: number; readonly image: Blob; readonly name: string };

/** In their order; the first two once, kernels once for images of a size, the others for every image. */
export const STAGES = [
  'adapter',
  'network',
  'kernels',
  'decode',
  'proposals',
  'responses',
  'instances',
  'evidence',
] as const;
export type Stage = (typeof STAGES)[number];

export interface StageReport {
  readonly stage: Stage;
  /** Share of the work, 0 to 1, where it is known; 1 when it is done. */
  readonly share: number | null;
  /** Milliseconds so far. */
  readonly milliseconds: number;
}

/** The opened network. */
export interface NetworkReport {
  readonly adapter: AdapterDescription;
  readonly recipe: string;
  /** Names by class index. */
  readonly classes: readonly string[];
  readonly parameters: number;
  readonly hasClassifier: boolean;
}

/** A decoded image: its size in the file, and the one it is worked on. */
export interface ImageReport {
  readonly original: Size;
  readonly working: Size;
}

export interface ResponseReport {
  /** [C]: above 0 for a class that the image rather shows than not. */
  readonly scores: Float32Array;
  /** [C, height, width]. */
  readonly maps: Size & { readonly values: Float32Array };
  /** Cells of the maps that lie over the image; the others are padding. */
  readonly grid: Size;
  /** Size at which the classifier sees the image. */
  readonly canvas: Size;
  readonly peaks: readonly Peak[];
}

export interface FoundInstance {
  /** Number of the proposal whose mask it is. */
  readonly proposal: number;
  readonly classIndex: number;
  readonly score: number;
  /** As the network predicts it; null where it does not. */
  readonly maskIou: number | null;
}

/** A typed error in words. */
export interface Failure {
  readonly message: string;
  readonly remedy: string;
  /** Another image will do no better: the network must be opened again. */
  readonly fatal: boolean;
}

/** What a stage found in an image. */
export type Finding =
  | { readonly type: 'image'; readonly image: ImageReport }
  /** Best first; masks and boxes are of the working size. */
  | { readonly type: 'proposals'; readonly proposals: ProposalList }
  | { readonly type: 'responses'; readonly responses: ResponseReport }
  | { readonly type: 'instances'; readonly instances: readonly FoundInstance[] }
  /** What each peak stands for: the share of its evidence that each pixel of the canvas gives, [height, width]. */
  | { readonly type: 'evidence'; readonly evidence: readonly Float32Array[] };

/** What the worker tells; `id` is that of the image, null while the network is opened. */
export type Report =
  | { readonly type: 'stage'; readonly id: number | null; readonly report: StageReport }
  | { readonly type: 'opened'; readonly network: NetworkReport }
  | { readonly type: 'found'; readonly id: number; readonly finding: Finding }
  /** All stages of the image are done. */
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number | null; readonly failure: Failure };
