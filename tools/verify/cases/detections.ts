import { boxNms } from '@cim/model/detect/nms';
import { bestProposals, selectDetections } from '@cim/model/detect/select-detections';
import type { Device } from '@cim/runtime';
import { readJson } from '../../formats/json-file.ts';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, compareExactly, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';

const { exact } = tolerances;

async function checkNms(_device: Device, golden: Golden): Promise<Comparison[]> {
  const rows = golden.data('in.dets');
  const boxes = rows.filter((_, i) => i % 5 < 4);
  const scores = rows.filter((_, i) => i % 5 === 4);
  const kept = boxNms(boxes, scores, golden.option('thresh'));
  return [compare('out.keep', kept, golden.data('out.keep'), exact)];
}

async function checkSelection(_device: Device, golden: Golden): Promise<Comparison[]> {
  const boxes = golden.data('in.boxes');
  const found = selectDetections(golden.data('in.scores'), boxes, {
    scoreThreshold: golden.option('SCORE_THRESH'),
    nmsThreshold: golden.option('NMS'),
    limit: golden.option('DETECTIONS_PER_IM'),
  });
  const columns = {
    'out.cls_inds': found.map(({ proposal }) => proposal),
    'out.cls': found.map(({ classIndex }) => classIndex + 1),
    'out.cls_scores': found.map(({ score }) => score),
    'out.cls_boxes': found.flatMap(({ proposal }) => [...boxes.subarray(4 * proposal, 4 * proposal + 4)]),
  };
  return Object.entries(columns).map(([name, actual]) => compare(name, actual, golden.data(name), exact));
}

interface PostprocessFile {
  readonly nms: readonly {
    readonly thresh: number;
    readonly dets_x1y1x2y2score: readonly (readonly number[])[];
    readonly keep_in_ascending_index_order: readonly number[];
  }[];
  readonly select: readonly {
    readonly score_thresh: number;
    readonly nms_thresh: number;
    readonly detections_per_image: number;
    readonly boxes: readonly (readonly number[])[];
    readonly scores: readonly (readonly number[])[];
    readonly per_class: readonly { readonly proposal_index: readonly number[]; readonly score: readonly number[] }[];
  }[];
  readonly corloc: readonly {
    readonly boxes: readonly (readonly number[])[];
    readonly scores: readonly (readonly number[])[];
    readonly best_box_and_score_per_class: readonly (readonly number[])[];
  }[];
}

async function checkPostprocess(file: string): Promise<Comparison[]> {
  const { nms, select, corloc } = (await readJson(file)) as PostprocessFile;
  return [
    ...nms.map(({ thresh, dets_x1y1x2y2score: rows, keep_in_ascending_index_order: expected }, i) => {
      const boxes = Float32Array.from(rows.flatMap((row) => row.slice(0, 4)));
      const scores = Float32Array.from(rows, (row) => row[4]);
      return compare(`nms.${i}`, boxNms(boxes, scores, thresh), expected, exact);
    }),
    ...select.map((golden, i) => {
      const boxes = Float32Array.from(golden.boxes.flat());
      const found = selectDetections(Float32Array.from(golden.scores.flat()), boxes, {
        scoreThreshold: golden.score_thresh,
        nmsThreshold: golden.nms_thresh,
        limit: golden.detections_per_image,
      });
      const expected = golden.per_class.flatMap(({ proposal_index, score }, classIndex) =>
        proposal_index.map((proposal, k) => ({ proposal, classIndex, score: score[k] })),
      );
      return compareExactly(`select.${i}`, found, expected);
    }),
    ...corloc.map(({ boxes, scores, best_box_and_score_per_class: expected }, i) => {
      const best = bestProposals(Float32Array.from(scores.flat()), scores[0].length);
      const actual = best.flatMap(({ proposal, score }) => [...boxes[proposal], score]);
      return compare(`corloc.${i}`, actual, expected.flat(), exact);
    }),
  ];
}

/** nms_*, postprocess.json: from scores to detections. */
export const detections: CaseKind[] = [
  { pattern: /^nms_limit_/, check: checkSelection },
  { pattern: /^nms_plain/, check: checkNms },
  { pattern: /^([^/]*_)?postprocess\.json(\.gz)?$/, checkFile: checkPostprocess },
];
