/** PASCAL VOC's box metrics of every class, as test_net.py reports them. */
import { join, parse } from 'node:path';
import { bestProposals, type Detection, selectDetections } from '@cim/model/detect/select-detections';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import type { XywhBox } from '@cim/model/evaluate/rle';
import { corLoc, type VocDetection, type VocObject, vocBoxAp, vocResultLine } from '@cim/model/evaluate/voc-boxes';
import { readVocAnnotation } from '../data/voc/annotation.ts';
import { VOC_CLASSES } from '../data/voc/classes.ts';
import { writeFileAtomic } from '../formats/atomic.ts';
import { requireClasses } from '../results/instances.ts';
import { matchImages } from '../results/open-scores.ts';
import type { ScoreSource } from '../results/scores.ts';

/** Objects of each class: by class name, then image name. Every image stands in every class. */
export type VocTruth = ReadonlyMap<string, ReadonlyMap<string, readonly VocObject[]>>;

/** Boxes of each class, in the order of the class names. */
export interface ClassBoxes {
  /** After suppression: what average precision is measured of. */
  readonly detections: readonly VocDetection[];
  /** The best one of every image: what CorLoc is measured of. */
  readonly best: readonly VocDetection[];
}

export interface VocBoxReport {
  readonly byClass: readonly {
    readonly name: string;
    /** Area under the curve, as from VOC 2010 on. −1: no objects. */
    readonly ap: number;
    /** At eleven points, as for VOC 2007. */
    readonly ap11: number;
    readonly corLoc: number;
  }[];
  /** Over the classes that have objects. */
  readonly mean: { readonly ap: number; readonly ap11: number; readonly corLoc: number };
}

/** Corners from pixel 1, both inclusive. */
const cornersOf = ([x, y, width, height]: XywhBox): VocObject['box'] => [x + 1, y + 1, x + width, y + height];

const nameOf = (fileName: string): string => parse(fileName).name;

/**
 * Objects of a COCO file. Its boxes start at pixel 0; those marked `difficult` or `ignore`, and crowds, are difficult.
 */
export function vocTruthOf({ images, annotations, categories }: CocoJson): VocTruth {
  const names = new Map(images.map(({ id, file_name }) => [id, nameOf(file_name)]));
  const truth = emptyTruth(
    categories.map(({ name }) => name),
    [...names.values()],
  );
  const classOf = new Map(categories.map(({ id, name }) => [id, name]));
  for (const annotation of annotations) {
    const { image_id, category_id, bbox, iscrowd, ignore, difficult } = annotation as typeof annotation & {
      readonly ignore?: number;
      readonly difficult?: number;
    };
    const isDifficult = difficult === 1 || ignore === 1 || iscrowd === 1;
    const object = { box: cornersOf(bbox), difficult: isDifficult };
    truth.get(classOf.get(category_id)!)?.get(names.get(image_id)!)?.push(object);
  }
  return truth;
}

/** Objects of the images from `Annotations/<image>.xml` in `folder`. @throws DataError */
export async function readVocTruth(folder: string, { images, categories }: CocoJson): Promise<VocTruth> {
  const names = images.map(({ file_name }) => nameOf(file_name));
  const truth = emptyTruth(
    categories.map(({ name }) => name),
    names,
  );
  for (const image of names) {
    const { objects } = await readVocAnnotation(join(folder, `${image}.xml`));
    for (const { category, box, difficult } of objects) {
      truth
        .get(VOC_CLASSES[category - 1])
        ?.get(image)
        ?.push({ box: cornersOf(box), difficult });
    }
  }
  return truth;
}

const emptyTruth = (classes: readonly string[], images: readonly string[]) =>
  new Map(classes.map((name) => [name, new Map(images.map((image): [string, VocObject[]] => [image, []]))]));

/** Boxes of all classes from scores. @throws DataError when scores and annotations do not belong together. */
export async function boxesOfScores(source: ScoreSource, { images, categories }: CocoJson): Promise<ClassBoxes[]> {
  requireClasses(source, categories.length);
  const byClass = categories.map(() => ({ detections: [] as VocDetection[], best: [] as VocDetection[] }));
  const known = images.map(({ id, file_name }) => ({ id, fileName: file_name })).sort((a, b) => a.id - b.id);
  const indices = matchImages(source, known);
  for (const { id, fileName } of known) {
    const index = indices.get(id);
    if (index === undefined || source.images[index].count === 0) continue;
    const { scores, boxes } = await source.read(index);
    const image = nameOf(fileName);
    const boxOf = ({ proposal, score }: Detection): VocDetection => {
      const [x1, y1, x2, y2] = boxes.subarray(4 * proposal, 4 * proposal + 4);
      return { image, box: [x1, y1, x2, y2], score };
    };
    for (const found of selectDetections(scores, boxes)) byClass[found.classIndex].detections.push(boxOf(found));
    for (const found of bestProposals(scores, source.classes)) byClass[found.classIndex].best.push(boxOf(found));
  }
  return byClass;
}

/** Boxes of all classes from COCO results of boxes. */
export function boxesOfResults(results: readonly CocoResult[], { images, categories }: CocoJson): ClassBoxes[] {
  const names = new Map(images.map(({ id, file_name }) => [id, nameOf(file_name)]));
  return categories.map(({ id }) => {
    const detections = results.flatMap(({ category_id, image_id, score, bbox }): VocDetection[] => {
      if (category_id !== id || bbox === undefined) return [];
      const [x, y, width, height] = bbox;
      return [{ image: names.get(image_id)!, score, box: [x, y, x + width - 1, y + height - 1] }];
    });
    const best = new Map<string, VocDetection>();
    for (const one of detections) if (one.score > (best.get(one.image)?.score ?? -Infinity)) best.set(one.image, one);
    return { detections, best: [...best.values()] };
  });
}

/** Average precision by both metrics, and CorLoc. `boxes` in the order of the truth's classes. */
export function vocBoxReport(truth: VocTruth, boxes: readonly ClassBoxes[]): VocBoxReport {
  const byClass = [...truth].map(([name, objects], c) => ({
    name,
    ap: vocBoxAp(objects, boxes[c].detections).ap,
    ap11: vocBoxAp(objects, boxes[c].detections, { elevenPoint: true }).ap,
    corLoc: corLoc(objects, boxes[c].best),
  }));
  const mean = (key: 'ap' | 'ap11' | 'corLoc'): number => {
    const defined = byClass.map((one) => one[key]).filter((value) => value >= 0);
    return defined.length === 0 ? -1 : defined.reduce((a, b) => a + b, 0) / defined.length;
  };
  return { byClass, mean: { ap: mean('ap'), ap11: mean('ap11'), corLoc: mean('corLoc') } };
}

/** Writes VOC's result files, `comp4_det_<set>_<class>.txt`. @throws OutputError when one cannot be written. */
export async function writeVocResults(
  folder: string,
  set: string,
  classes: readonly string[],
  lists: readonly (readonly VocDetection[])[],
): Promise<void> {
  for (const [c, name] of classes.entries()) {
    const lines = lists[c].map((detection) => `${vocResultLine(detection)}\n`);
    await writeFileAtomic(join(folder, `comp4_det_${set}_${name}.txt`), lines.join(''));
  }
}
