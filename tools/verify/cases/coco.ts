import { existsSync } from 'node:fs';
import { type CocoEvaluation, evaluateCoco, recallLevels, summaryLines } from '@cim/model/evaluate/coco';
import type { CocoJson, CocoResult } from '@cim/model/evaluate/coco-json';
import { vocReport, vocThresholds } from '@cim/model/evaluate/voc-report';
import { readGroundTruth } from '../../datasets/read-ground-truth.ts';
import { readResults } from '../../datasets/results.ts';
import { readJson } from '../../formats/json-file.ts';
import type { FileKind } from '../case.ts';
import { type Comparison, compare, compareExactly, tolerances } from '../compare.ts';

/** What pycocotools found for one kind of geometry. */
interface ExpectedEvaluation {
  readonly stats: readonly number[];
  readonly params: { readonly iouThrs: readonly number[]; readonly catIds: readonly number[] };
  readonly ap_by_iou_cat_area_maxdet: readonly (readonly (readonly (readonly number[])[])[])[];
  readonly recall_by_iou_cat_area_maxdet: readonly (readonly (readonly (readonly number[])[])[])[];
  readonly ap_by_category: readonly number[];
  readonly ap_by_category_and_iou: readonly (readonly number[])[];
  readonly precision_curves_area_all_maxdet_last: readonly {
    readonly category_id: number;
    readonly iou_index: number;
    readonly precision: readonly number[];
    readonly scores: readonly number[];
  }[];
}
interface ExpectedFile {
  readonly segm?: ExpectedEvaluation;
  readonly bbox?: ExpectedEvaluation;
  /** CIM's report. */
  readonly voc_report_segm?: {
    readonly mAP: Readonly<Record<string, number>>;
    readonly class_ap_in_sorted_category_id_order: Readonly<Record<string, readonly number[]>>;
    readonly sorted_category_ids: readonly number[];
    readonly summary_lines: readonly string[];
  };
}

const { averagePrecision: tolerance } = tolerances;
const EXPECTED = /expected\.json(\.gz)?$/;
const siblings = (name: string): string[] =>
  ['gt', 'dt_segm', 'dt_bbox'].flatMap((part) =>
    ['.json', '.json.gz'].map((ending) => name.replace(EXPECTED, part + ending)),
  );

async function check(file: string): Promise<Comparison[]> {
  const expected = (await readJson(file)) as ExpectedFile;
  const sibling = (part: string): string => {
    const plain = file.replace(EXPECTED, `${part}.json`);
    return existsSync(plain) ? plain : `${plain}.gz`;
  };
  const gt = await readGroundTruth(sibling('gt'));
  const comparisons: Comparison[] = [];
  for (const type of ['segm', 'bbox'] as const) {
    const golden = expected[type];
    if (!golden) continue;
    const detections = await readResults(sibling(`dt_${type}`), gt.images);
    comparisons.push(...compareEvaluation(type, evaluateCoco(gt, detections, { type }), golden));
    if (type === 'segm' && expected.voc_report_segm) {
      comparisons.push(...compareReport(gt, detections, expected.voc_report_segm));
    }
  }
  return comparisons;
}

function compareEvaluation(type: string, actual: CocoEvaluation, golden: ExpectedEvaluation): Comparison[] {
  const { byCategory } = actual;
  const { catIds } = golden.params;
  const curve = (table: 'precision' | 'scores', category: number, iou: number): Float64Array => {
    const row = (iou * catIds.length + catIds.indexOf(category)) * 12 + 2; // all areas, most detections
    return actual[table].subarray(row * recallLevels, (row + 1) * recallLevels);
  };
  const pairs: [string, ArrayLike<number>, readonly number[]][] = [
    ['stats', actual.stats, golden.stats],
    ['params.iouThrs', actual.iouThresholds, golden.params.iouThrs],
    ['params.catIds', byCategory.map(({ categoryId }) => categoryId), catIds],
    ['ap_by_iou_cat_area_maxdet', actual.averagePrecision, golden.ap_by_iou_cat_area_maxdet.flat(3)],
    ['recall_by_iou_cat_area_maxdet', actual.recall, golden.recall_by_iou_cat_area_maxdet.flat(3)],
    ['ap_by_category', byCategory.map(({ ap }) => ap), golden.ap_by_category],
    ['ap_by_category_and_iou', byCategory.flatMap(({ apByIou }) => apByIou), golden.ap_by_category_and_iou.flat()],
    ...golden.precision_curves_area_all_maxdet_last.flatMap(
      ({ category_id: category, iou_index: iou, precision, scores }): typeof pairs => [
        [`precision.${category}.${iou}`, curve('precision', category, iou), precision],
        [`scores.${category}.${iou}`, curve('scores', category, iou), scores],
      ],
    ),
  ];
  return pairs.map(([name, found, wanted]) => compare(`${type}.${name}`, found, wanted, tolerance));
}

function compareReport(
  gt: CocoJson,
  detections: readonly CocoResult[],
  golden: NonNullable<ExpectedFile['voc_report_segm']>,
): Comparison[] {
  const { meanAp, byCategory } = vocReport(gt, detections);
  const lines = summaryLines(evaluateCoco(gt, detections, { type: 'segm', iouThresholds: vocThresholds }));
  const keys = vocThresholds.map((iou) => iou.toFixed(2));
  const ids = byCategory.map(({ categoryId }) => categoryId);
  return [
    compare(
      'voc_report.mAP',
      meanAp,
      keys.map((key) => golden.mAP[key]),
      tolerance,
    ),
    compare('voc_report.category_ids', ids, golden.sorted_category_ids, tolerances.exact),
    ...keys.map((key, t) => {
      const actual = byCategory.map(({ ap }) => ap[t]);
      return compare(`voc_report.class_ap.${key}`, actual, golden.class_ap_in_sorted_category_id_order[key], tolerance);
    }),
    compareExactly('voc_report.summary_lines', lines, golden.summary_lines),
  ];
}

/** *_expected.json: annotations and results beside it, with the scores that pycocotools and CIM give. */
export const coco: FileKind = { pattern: /^([^/]*_)?expected\.json(\.gz)?$/, inputs: siblings, checkFile: check };
