import { boxNms } from '@cim/model/detect/nms';
import { selectDetections } from '@cim/model/detect/select-detections';
import type { Device } from '@cim/runtime';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
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

/** nms_*: from scores to detections. */
export const detections: CaseKind[] = [
  { pattern: /^nms_limit_/, check: checkSelection },
  { pattern: /^nms_plain/, check: checkNms },
];
