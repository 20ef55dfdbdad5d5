/** What every data set is, whichever file describes it. */
import type { CocoAnnotation } from '@cim/model/evaluate/coco-json';
import { DataError } from '../errors.ts';

/** A class; its index in `Dataset.classes` is the contiguous class index that the network predicts. */
export interface DatasetClass {
  /** The category id of the annotation file. */
  readonly id: number;
  readonly name: string;
}

/** One object as the annotation file has it: `image_id` and `category_id`, and what else the file tells. */
export interface ObjectAnnotation
  extends Pick<CocoAnnotation, 'image_id' | 'category_id'>,
    Partial<Omit<CocoAnnotation, 'image_id' | 'category_id'>> {
  /** 1: left out by the annotators. */
  readonly ignore?: number;
}

/** An image and its image-level labels: all that training may see. */
export interface LabelledImage {
  readonly id: number;
  /** Absolute path. */
  readonly file: string;
  /** The name in the annotation file. */
  readonly fileName: string;
  /** Pixels, where the annotation file tells. */
  readonly width?: number;
  readonly height?: number;
  /** Class indices, ascending, each once. */
  readonly labels: readonly number[];
}

export interface DatasetImage extends LabelledImage {
  /** For evaluation only: training takes `labelsOnly(dataset)`. */
  readonly annotations: readonly ObjectAnnotation[];
}

export interface Dataset {
  /** Of the annotation file, without its ending: "train". */
  readonly name: string;
  /** Absolute path of the folder that holds the images' folder. */
  readonly root: string;
  readonly classes: readonly DatasetClass[];
  /** Ascending by id. */
  readonly images: readonly DatasetImage[];
}

export interface LabelledDataset extends Omit<Dataset, 'images'> {
  /** Every image has at least one label. */
  readonly images: readonly LabelledImage[];
  /** How many images were left out because they have no label. */
  readonly unlabelled: number;
}

/**
 * The weak supervision of a data set: images with a label, without any annotation of where the objects are.
 *
 * @throws DataError when no image has a label.
 */
export function labelsOnly({ name, root, classes, images }: Dataset): LabelledDataset {
  const labelled = images.filter(({ labels }) => labels.length > 0);
  if (labelled.length === 0) {
    throw new DataError(
      `None of the ${images.length} images of "${name}" in ${root} has a label.`,
      'Training needs the classes that each image shows: check the annotations or the labels column.',
    );
  }
  return {
    name,
    root,
    classes,
    images: labelled.map(({ annotations: _, ...image }) => image),
    unlabelled: images.length - labelled.length,
  };
}
