import {
  corLoc,
  type VocDetection,
  type VocObject,
  vocAveragePrecision,
  vocBoxAp,
  vocResultLine,
} from '@cim/model/evaluate/voc-boxes';
import { readJson } from '../../formats/json-file.ts';
import type { FileKind } from '../case.ts';
import { type Comparison, compare, compareExactly, tolerances } from '../compare.ts';

type Box = readonly [number, number, number, number];
/** x1, y1, x2, y2, score. */
type Row = readonly [number, number, number, number, number];

interface BoxCase {
  readonly classes: readonly string[];
  readonly images: readonly string[];
  readonly gt_boxes_1_based_inclusive: Readonly<
    Record<string, readonly { readonly name: string; readonly difficult: number; readonly bbox: Box }[]>
  >;
  /** By class, then image. */
  readonly detections_x1y1x2y2score_0_based: Readonly<Record<string, Readonly<Record<string, readonly Row[]>>>>;
}
interface VocBoxFile {
  readonly ap: readonly (BoxCase & {
    readonly name: string;
    readonly use_07_metric: boolean;
    readonly iou_threshold: number;
    readonly expected: Readonly<
      Record<string, { readonly ap: number; readonly recall: readonly number[]; readonly precision: readonly number[] }>
    >;
    readonly mean_ap: number;
  })[];
  readonly corloc: readonly (BoxCase & {
    readonly expected: Readonly<Record<string, number>>;
    readonly mean_corloc: number;
  })[];
  readonly voc_ap_curves: readonly {
    readonly recall: readonly number[];
    readonly precision: readonly number[];
    readonly ap: number;
    readonly ap_11_point: number;
  }[];
  readonly text_rows: readonly { readonly index: string; readonly row: Row; readonly line: string }[];
}

const detection = (image: string, [x1, y1, x2, y2, score]: Row): VocDetection => ({
  image,
  box: [x1, y1, x2, y2],
  score,
});

/** The objects and detections of one class. */
function ofClass(
  golden: BoxCase,
  name: string,
): { objects: Map<string, VocObject[]>; detections: readonly VocDetection[] } {
  const objects = new Map(
    golden.images.map((image) => [
      image,
      golden.gt_boxes_1_based_inclusive[image]
        .filter((object) => object.name === name)
        .map(({ bbox, difficult }) => ({ box: bbox, difficult: difficult === 1 })),
    ]),
  );
  const rows = golden.detections_x1y1x2y2score_0_based[name];
  return { objects, detections: golden.images.flatMap((image) => rows[image].map((row) => detection(image, row))) };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

async function check(file: string): Promise<Comparison[]> {
  const { ap, corloc, voc_ap_curves, text_rows } = (await readJson(file)) as VocBoxFile;
  const comparisons: Comparison[] = [];
  const add = (name: string, actual: readonly number[], expected: readonly number[]): void => {
    comparisons.push(compare(name, actual, expected, tolerances.averagePrecision));
  };
  for (const golden of ap) {
    const options = { iouThreshold: golden.iou_threshold, elevenPoint: golden.use_07_metric };
    const found = golden.classes.map((name) => {
      const { objects, detections } = ofClass(golden, name);
      return vocBoxAp(objects, detections, options);
    });
    golden.classes.forEach((name, i) => {
      const expected = golden.expected[name];
      add(`ap.${golden.name}.${name}.ap`, [found[i].ap], [expected.ap]);
      add(`ap.${golden.name}.${name}.recall`, found[i].recall, expected.recall);
      add(`ap.${golden.name}.${name}.precision`, found[i].precision, expected.precision);
    });
    add(`ap.${golden.name}.mean_ap`, [mean(found.map((one) => one.ap))], [golden.mean_ap]);
  }
  for (const [i, golden] of corloc.entries()) {
    const found = golden.classes.map((name) => {
      const { objects, detections } = ofClass(golden, name);
      return corLoc(objects, detections);
    });
    add(
      `corloc.${i}`,
      found,
      golden.classes.map((name) => golden.expected[name]),
    );
    add(`corloc.${i}.mean_corloc`, [mean(found)], [golden.mean_corloc]);
  }
  for (const [i, { recall, precision, ap: area, ap_11_point }] of voc_ap_curves.entries()) {
    add(`voc_ap_curves.${i}.ap`, [vocAveragePrecision(recall, precision, false)], [area]);
    add(`voc_ap_curves.${i}.ap_11_point`, [vocAveragePrecision(recall, precision, true)], [ap_11_point]);
  }
  const lines = text_rows.map(({ index, row }) => vocResultLine(detection(index, row)));
  return [
    ...comparisons,
    compareExactly(
      'text_rows',
      lines,
      text_rows.map(({ line }) => line),
    ),
  ];
}

/** voc_boxes.json: box AP in both metrics, CorLoc and result files of PASCAL VOC. */
export const vocBoxes: FileKind = { pattern: /^([^/]*_)?voc_boxes\.json(\.gz)?$/, checkFile: check };
