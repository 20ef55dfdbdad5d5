import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { classificationMap } from '@cim/model/evaluate/classification';
import { cocoStatistics, evaluateCoco, summaryLines } from '@cim/model/evaluate/coco';
import { type CocoJson, type CocoResult, EvaluationError } from '@cim/model/evaluate/coco-json';
import {
  corLoc,
  type VocDetection,
  type VocObject,
  vocAveragePrecision,
  vocBoxAp,
  vocResultLine,
} from '@cim/model/evaluate/voc-boxes';
import { vocReport, vocThresholds } from '@cim/model/evaluate/voc-report';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

interface Expected {
  stats: number[];
  params: { iouThrs: number[]; catIds: number[] };
  ap_by_iou_cat_area_maxdet: number[][][][];
  recall_by_iou_cat_area_maxdet: number[][][][];
  ap_by_category: number[];
  ap_by_category_and_iou: number[][];
  precision_curves_area_all_maxdet_last: {
    category_id: number;
    iou_index: number;
    precision: number[];
    scores: number[];
  }[];
}
interface ExpectedSet {
  segm: Expected;
  bbox: Expected;
  voc_report_segm: {
    mAP: Record<string, number>;
    class_ap_in_sorted_category_id_order: Record<string, number[]>;
    sorted_category_ids: number[];
    summary_lines: string[];
  };
}

interface BoxCase {
  classes: string[];
  images: string[];
  gt_boxes_1_based_inclusive: Record<string, { name: string; difficult: number; bbox: VocObject['box'] }[]>;
  detections_x1y1x2y2score_0_based: Record<string, Record<string, number[][]>>;
}
interface VocBoxes {
  ap: (BoxCase & {
    name: string;
    use_07_metric: boolean;
    iou_threshold: number;
    expected: Record<string, { ap: number; recall: number[]; precision: number[] }>;
  })[];
  corloc: (BoxCase & { expected: Record<string, number> })[];
  voc_ap_curves: { recall: number[]; precision: number[]; ap: number; ap_11_point: number }[];
  text_rows: { index: string; row: number[]; line: string }[];
}

const read = (name: string): unknown => {
  const bytes = readFileSync(new URL(`../golden/coco/${name}`, import.meta.url));
  return JSON.parse((name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString());
};

function close(actual: ArrayLike<number>, expected: ArrayLike<number>, label: string): void {
  assert.is(actual.length, expected.length, `${label}: length`);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(actual[i] - expected[i]) <= 1e-9, `${label}[${i}]: ${actual[i]}, expected ${expected[i]}`);
  }
}

const test = suite('evaluate');

for (const [set, suffix] of [
  ['edge', ''],
  ['small', ''],
  ['medium', '.gz'],
]) {
  const gt = read(`${set}_gt.json${suffix}`) as CocoJson;
  const expected = read(`${set}_expected.json${suffix}`) as ExpectedSet;

  for (const type of ['segm', 'bbox'] as const) {
    test(`${set} ${type} equals pycocotools`, () => {
      const golden = expected[type];
      const result = evaluateCoco(gt, read(`${set}_dt_${type}.json${suffix}`) as CocoResult[], { type });
      close(result.stats, golden.stats, 'stats');
      assert.equal(result.iouThresholds, golden.params.iouThrs);
      assert.equal(
        result.byCategory.map(({ categoryId }) => categoryId),
        golden.params.catIds,
      );
      close(result.averagePrecision, golden.ap_by_iou_cat_area_maxdet.flat(3), 'AP');
      close(result.recall, golden.recall_by_iou_cat_area_maxdet.flat(3), 'recall');
      close(
        result.byCategory.map(({ ap }) => ap),
        golden.ap_by_category,
        'AP by category',
      );
      close(
        result.byCategory.flatMap(({ apByIou }) => apByIou),
        golden.ap_by_category_and_iou.flat(),
        'AP by IoU',
      );
      for (const curve of golden.precision_curves_area_all_maxdet_last) {
        const category = golden.params.catIds.indexOf(curve.category_id);
        const row = (curve.iou_index * golden.params.catIds.length + category) * 12 + 2;
        close(result.precision.subarray(row * 101, (row + 1) * 101), curve.precision, 'precision');
        close(result.scores.subarray(row * 101, (row + 1) * 101), curve.scores, 'scores');
      }
    });
  }

  test(`${set} report for VOC`, () => {
    const golden = expected.voc_report_segm;
    const detections = read(`${set}_dt_segm.json${suffix}`) as CocoResult[];
    const report = vocReport(gt, detections);
    close(
      report.meanAp,
      vocThresholds.map((iou) => golden.mAP[iou.toFixed(2)]),
      'mAP',
    );
    assert.equal(
      report.byCategory.map(({ categoryId }) => categoryId),
      golden.sorted_category_ids,
    );
    vocThresholds.forEach((iou, t) =>
      close(
        report.byCategory.map(({ ap }) => ap[t]),
        golden.class_ap_in_sorted_category_id_order[iou.toFixed(2)],
        `AP at ${iou}`,
      ),
    );
    const lines = summaryLines(evaluateCoco(gt, detections, { type: 'segm', iouThresholds: vocThresholds }));
    assert.equal(lines, golden.summary_lines);
  });
}

test('names the 12 statistics', () => {
  assert.equal(
    cocoStatistics.map(({ name }) => name),
    'AP,AP50,AP75,AP small,AP medium,AP large,AR1,AR10,AR100,AR small,AR medium,AR large'.split(','),
  );
});

test('no detections and no objects', () => {
  const gt = read('small_gt.json') as CocoJson;
  assert.equal(evaluateCoco(gt, [], { type: 'segm' }).stats[0], 0);
  assert.equal(evaluateCoco({ ...gt, annotations: [] }, [], { type: 'bbox' }).stats, Array(12).fill(-1));
});

test('refuses results that do not fit', () => {
  const gt = read('small_gt.json') as CocoJson;
  const [box] = read('small_dt_bbox.json') as CocoResult[];
  const isEvaluationError = (error: Error): boolean => error instanceof EvaluationError;
  assert.throws(() => evaluateCoco(gt, [{ ...box, image_id: 123456 }], { type: 'bbox' }), isEvaluationError);
  assert.throws(() => evaluateCoco(gt, [box], { type: 'segm' }), isEvaluationError);
  assert.throws(() => classificationMap(new Float32Array(6), new Uint8Array(5), 3), isEvaluationError);
});

test('classification', () => {
  // Class 0: ranked + − + −; class 1: never; class 2: a tie of + and −, then +; class 3: all tied.
  const scores = Float32Array.of(0.9, 0.1, 0.8, 0.5, 0.8, 0.2, 0.8, 0.5, 0.7, 0.3, 0.2, 0.5, 0.1, 0.4, 0.1, 0.5);
  const labels = Uint8Array.of(1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1);
  const { meanAp, apByClass } = classificationMap(scores, labels, 4);
  const expected = [(1 + 2 / 3) / 2, -1, (1 / 2 + 2 / 3) / 2, 1 / 4];
  close(apByClass, expected, 'AP');
  close([meanAp], [(expected[0] + expected[2] + expected[3]) / 3], 'mAP');
});

const vocDetection = (image: string, [x1, y1, x2, y2, score]: number[]): VocDetection => ({
  image,
  box: [x1, y1, x2, y2],
  score,
});

/** The objects and detections of one class. */
function ofClass({ images, gt_boxes_1_based_inclusive, detections_x1y1x2y2score_0_based }: BoxCase, name: string) {
  const objects = new Map(
    images.map((image) => [
      image,
      gt_boxes_1_based_inclusive[image]
        .filter((object) => object.name === name)
        .map(({ bbox, difficult }) => ({ box: bbox, difficult: difficult === 1 })),
    ]),
  );
  const rows = detections_x1y1x2y2score_0_based[name];
  return { objects, detections: images.flatMap((image) => rows[image].map((row) => vocDetection(image, row))) };
}

const vocBoxes = read('voc_boxes.json') as VocBoxes;

for (const golden of vocBoxes.ap) {
  test(`VOC box AP: ${golden.name}`, () => {
    const options = { iouThreshold: golden.iou_threshold, elevenPoint: golden.use_07_metric };
    for (const name of golden.classes) {
      const { objects, detections } = ofClass(golden, name);
      const { ap, recall, precision } = vocBoxAp(objects, detections, options);
      close([ap], [golden.expected[name].ap], `AP of ${name}`);
      close(recall, golden.expected[name].recall, `recall of ${name}`);
      close(precision, golden.expected[name].precision, `precision of ${name}`);
    }
  });
}

test('VOC AP of curves', () => {
  for (const { recall, precision, ap, ap_11_point } of vocBoxes.voc_ap_curves) {
    close([vocAveragePrecision(recall, precision, false)], [ap], 'area');
    close([vocAveragePrecision(recall, precision, true)], [ap_11_point], 'eleven points');
  }
});

test('CorLoc', () => {
  for (const golden of vocBoxes.corloc) {
    for (const name of golden.classes) {
      const { objects, detections } = ofClass(golden, name);
      close([corLoc(objects, detections)], [golden.expected[name]], name);
    }
  }
  assert.is(corLoc(new Map([['a', []]]), []), -1);
});

test('lines of VOC result files', () => {
  for (const { index, row, line } of vocBoxes.text_rows) assert.is(vocResultLine(vocDetection(index, row)), line);
});

test.run();
