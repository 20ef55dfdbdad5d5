/** What the server tells the app: JSON under `api/`. An exported folder holds the same files. */
import type { Rle, XywhBox } from '@cim/model/evaluate/rle';

/** `api/index.json` */
export interface AppIndex {
  /** False in an exported folder: nothing changes, and there are no events. */
  readonly live: boolean;
  readonly sources: readonly SourceInfo[];
}

/** A folder that is served. */
export interface SourceInfo {
  /** Names it in addresses; unique. */
  readonly key: string;
  readonly kind: 'run' | 'data';
  /** As it was named to the server. */
  readonly folder: string;
  /** Splits of its images; of a run those of its data set. */
  readonly splits: readonly string[];
  /** Why there are no splits. */
  readonly problem?: string;
  /** Which of {@link FILES} it has: `files/KEY/NAME`. */
  readonly files: readonly string[];
  /** Trainings that were begun in it. */
  readonly trainings: readonly Training[];
}

/** Files of a run that pages use as they are. */
export const FILES = [
  'cim.safetensors',
  'classifier.safetensors',
  'recipe.json',
  'summary.json',
  'report.html',
] as const;

/** What lies over an image. */
export const LAYERS = ['truth', 'proposals', 'peaks', 'labels', 'detections'] as const;
export type Layer = (typeof LAYERS)[number];
/** Layers of objects with a class. */
export type ObjectLayer = 'truth' | 'labels' | 'detections';

/** `api/KEY/SPLIT/images.json` */
export interface SplitIndex {
  /** By class index. */
  readonly classes: readonly string[];
  readonly layers: readonly Layer[];
  readonly images: readonly ImageInfo[];
}

export interface ImageInfo {
  readonly id: number;
  /** The file's name: the picture is `api/KEY/SPLIT/images/FILE`, a small one `api/KEY/SPLIT/thumbs/ID.webp`. */
  readonly name: string;
  readonly file: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Class indices. */
  readonly labels: readonly number[];
  /** What filters need of its objects, in the order of {@link ImageDetail}. */
  readonly objects: Partial<Readonly<Record<ObjectLayer, ObjectColumns>>>;
}

export interface ObjectColumns {
  readonly classes: readonly number[];
  readonly scores?: readonly number[];
  /**
   * With the object of its class that it covers best; of annotated objects with the best detection or pseudo label. Absent
   * where there is nothing to compare with.
   */
  readonly ious?: readonly number[];
}

/** `api/KEY/SPLIT/ID.json` */
export interface ImageDetail {
  readonly objects: Partial<Readonly<Record<ObjectLayer, readonly MaskedObject[]>>>;
  readonly peaks?: PeakLayer;
}

/** `api/KEY/SPLIT/ID-proposals.json`, in the order that other files name them by. */
export type ProposalList = readonly MaskedObject[];

export interface MaskedObject {
  /** Class index; null for a proposal in no cluster. */
  readonly class: number | null;
  readonly score?: number;
  readonly iou?: number;
  /** Pixels of the image. */
  readonly box: XywhBox;
  /** Null for a detection that has a box only. */
  readonly mask: Rle | null;
  /** Number of the cluster that a proposal belongs to. */
  readonly cluster?: number;
}

export interface PeakLayer {
  readonly peaks: readonly PeakInfo[];
  readonly maps: readonly ResponseMap[];
}

export interface PeakInfo {
  readonly class: number;
  /** Of the image's width and height, 0 to 1. */
  readonly x: number;
  readonly y: number;
  /** The response; absent for a labelled point. */
  readonly score?: number;
}

/** Where a class responds. */
export interface ResponseMap {
  readonly class: number;
  readonly width: number;
  readonly height: number;
  /** Row by row, 0 to 255 for none to the strongest response of the map, as base64. */
  readonly values: string;
}

export const TRAININGS = ['classifier', 'cim'] as const;
export type Training = (typeof TRAININGS)[number];

/** Files of a training, lines of JSON: losses, and what {@link MonitorPoint} tells. */
export type LogFile = `${Training}.${'log' | 'monitor'}.jsonl`;
/** Files of a run that come whole. */
export const STATE_FILES = ['recipe.json', 'summary.json'] as const;
export type StateFile = (typeof STATE_FILES)[number];

/** News of a run: an event of `api/KEY/events`, and of all that there is a list in `api/KEY/log.json`. */
export type LogNews =
  | {
      readonly file: LogFile;
      /** The file was begun anew: what it said before no longer holds. */
      readonly restart: boolean;
      readonly lines: readonly unknown[];
    }
  | { readonly file: StateFile; readonly value: unknown };
