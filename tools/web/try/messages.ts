/** What the page and its worker tell each other. */
import type { Peak } from '@cim/model/peaks/find-peaks';
import type { Size } from '@cim/model/prm/resample';
import type { AdapterDescription } from '@cim/runtime/device';

/** Addresses of a run's files. */
export interface NetworkFiles {
  readonly recipe: string;
  readonly cim: string;
  /** Null where the run has none: there are no responses then. */
  readonly classifier: string | null;
}

/** What the page asks for. One network is opened first; an image asked for later takes the place of one that waits. */
export type Request =
  | { readonly type: 'open'; readonly files: NetworkFiles }
  | { readonly type: 'find'; readonly id: number; readonly image: Blob; readonly name: string };

/** In their order: the first two once, the others for every image. */
export const STAGES = ['adapter', 'network', 'decode', 'proposals', 'responses', 'compile', 'instances'] as const;
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

/** Masks of N proposals at working size, the words of `PackedMasks`. */
export interface ProposalReport extends Size {
  readonly words: Uint32Array;
  readonly count: number;
}

export interface PeakReport extends Peak {
  /** Share of the evidence that each pixel of the canvas gives, [height, width]; the sum is 1. */
  readonly response: Float32Array;
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
  readonly peaks: readonly PeakReport[];
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
}

/** What a stage found in an image. */
export type Finding =
  | { readonly type: 'image'; readonly image: ImageReport }
  | { readonly type: 'proposals'; readonly proposals: ProposalReport }
  | { readonly type: 'responses'; readonly responses: ResponseReport }
  | { readonly type: 'instances'; readonly instances: readonly FoundInstance[] };

/** What the worker tells; `id` is that of the image, null while the network is opened. */
export type Report =
  | { readonly type: 'stage'; readonly id: number | null; readonly report: StageReport }
  | { readonly type: 'opened'; readonly network: NetworkReport }
  | { readonly type: 'found'; readonly id: number; readonly finding: Finding }
  /** All stages of the image are done. */
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number | null; readonly failure: Failure };
