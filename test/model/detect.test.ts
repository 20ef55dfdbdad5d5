import { boxNms } from '@cim/model/detect/nms';
import { bestProposals, selectDetections, toCocoResults } from '@cim/model/detect/select-detections';
import { ProposalCoverage } from '@cim/model/detect/upper-bound';
import type { CocoJson } from '@cim/model/evaluate/coco-json';
import { encodeRle, type Rle } from '@cim/model/evaluate/rle';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('detect');

/** Rows x1, y1, x2, y2, score. */
const nmsOfRows = (rows: readonly (readonly number[])[], threshold: number): number[] =>
  boxNms(
    Float32Array.from(rows.flatMap((row) => row.slice(0, 4))),
    Float32Array.from(rows, (row) => row[4]),
    threshold,
  );

test('NMS: an overlap of exactly the threshold is dropped, of equal scores the later box stays', () => {
  // Inclusive corners: 10 × 10 pixels each, 5 × 10 shared: 50 / 150.
  const rows = [
    [0, 0, 9, 9, 0.5],
    [5, 0, 14, 9, 0.5],
  ];
  assert.equal(nmsOfRows(rows, Math.fround(1 / 3)), [1]);
  assert.equal(nmsOfRows(rows, 0.334), [0, 1]);
});

test('of equal best scores the first proposal counts', () => {
  const scores = Float32Array.of(0.25, 0.5, 0.75, 0.5, 0.75, 0.125);
  assert.equal(bestProposals(scores, 2), [
    { proposal: 1, classIndex: 0, score: 0.75 },
    { proposal: 0, classIndex: 1, score: 0.5 },
  ]);
});

test('an image without proposals has no detections', () => {
  assert.equal(selectDetections(new Float32Array(0), new Float32Array(0)), []);
});

/** A 10 × 20 mask of the columns from `start` up to `end`. */
const columns = (start: number, end: number): Rle =>
  encodeRle(
    Uint8Array.from({ length: 200 }, (_, i) => Number(i % 20 >= start && i % 20 < end)),
    10,
    20,
  );

test('COCO results', () => {
  const detections = [{ proposal: 1, classIndex: 1, score: 0.5 }];
  const masks = [columns(0, 1), columns(2, 9)];
  assert.equal(
    toCocoResults(7, detections, (proposal) => masks[proposal], [3, 44]),
    [{ image_id: 7, category_id: 44, score: 0.5, segmentation: columns(2, 9) }],
  );
});

test('upper bound of proposals', () => {
  const object = (id: number, image_id: number, category_id: number, segmentation: Rle, iscrowd: 0 | 1 = 0) =>
    ({ id, image_id, category_id, area: 50, bbox: [0, 0, 1, 1], segmentation, iscrowd }) as const;
  const gt: CocoJson = {
    images: [1, 2].map((id) => ({ id, file_name: `${id}.jpg`, height: 10, width: 20 })),
    categories: [
      { id: 5, name: 'cat' },
      { id: 6, name: 'dog' },
    ],
    annotations: [
      object(1, 1, 5, columns(0, 5)),
      object(2, 1, 5, columns(10, 20)),
      object(3, 1, 6, columns(12, 20)),
      object(4, 1, 6, columns(0, 20), 1),
      object(5, 2, 6, columns(3, 6)),
    ],
  };
  // Best IoU: 1, 6 / 10, 6 / 8, and 0 in the image without proposals.
  const coverage = new ProposalCoverage(gt);
  coverage.add(gt.images[0], [columns(0, 5), columns(14, 20), columns(0, 8)]);
  const { upperBound, meanBestIou, recall50, recall70 } = coverage.quality();
  assert.ok(Math.abs(meanBestIou - (1 + 0.6 + 0.75 + 0) / 4) < 1e-12);
  assert.is(recall50, 3 / 4);
  assert.is(recall70, 2 / 4);
  // Cats: both are found at 0.5, at 0.7 only the first, which reaches 51 of the 101 recall levels. Dogs: one of two.
  const rounded = upperBound.byCategory.map(({ ap }) => ap.map((value) => Math.round(value * 101)));
  assert.equal(rounded, [
    [101, 101, 51, 51],
    [51, 51, 51, 51],
  ]);
});

test.run();
