import { readFileSync } from 'node:fs';
import { boxIou, maskIou, measureMask } from '@cim/model/evaluate/iou';
import { boxRuns, polygonRuns, polygonsRuns } from '@cim/model/evaluate/polygon';
import {
  compressRuns,
  decodeRle,
  encodeRle,
  intersectionArea,
  MaskError,
  mergeRuns,
  parseRle,
  type Rle,
  runsArea,
  runsBox,
  runsOfMask,
  uncompressRuns,
  type XywhBox,
} from '@cim/model/evaluate/rle';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

type Size = [number, number];

// Made with pycocotools 2.0.
const golden: {
  masks: {
    name: string;
    size: Size;
    bits_row_major: string;
    counts: number[];
    rle: Rle;
    area: number;
    bbox_xywh: number[];
  }[];
  uncompressed: { name: string; size: Size; counts: number[]; rle: Rle; area: number; bbox_xywh: number[] }[];
  iou: { dt: Rle[]; gt: Rle[]; iscrowd: number[]; iou: number[][] }[];
  bbox_iou: { dt_xywh: XywhBox[]; gt_xywh: XywhBox[]; iscrowd: number[]; iou: number[][] }[];
  merge: { rles: Rle[]; union: Rle; intersection: Rle }[];
  polygons: {
    name: string;
    size: Size;
    polygons: number[][];
    each: string[];
    merged: string;
    area: number;
    bbox_xywh: number[];
  }[];
  boxes: { size: Size; xywh: XywhBox[]; rles: string[]; area: number[] }[];
} = JSON.parse(readFileSync(new URL('../golden/coco/rle.json', import.meta.url), 'utf8'));

const close = (actual: number, expected: number, label: string): void =>
  assert.ok(Math.abs(actual - expected) <= 1e-12, `${label}: ${actual}, expected ${expected}`);

const test = suite('rle');

test('encodes and decodes masks', () => {
  for (const { name, size, bits_row_major, counts, rle, area, bbox_xywh } of golden.masks) {
    const mask = Uint8Array.from(bits_row_major, Number);
    const runs = runsOfMask(mask, ...size);
    assert.equal(uncompressRuns(runs), { size, counts }, name);
    assert.equal(encodeRle(mask, ...size), rle, name);
    assert.equal(decodeRle(rle), mask, name);
    assert.equal(decodeRle({ size, counts }), mask, name);
    assert.is(runsArea(parseRle(rle)), area, name);
    assert.equal(runsBox(runs), bbox_xywh, name);
  }
});

test('compresses plain counts', () => {
  for (const { name, size, counts, rle, area, bbox_xywh } of golden.uncompressed) {
    const runs = parseRle({ size, counts });
    assert.equal(compressRuns(runs), rle, name);
    assert.equal(parseRle(rle), runs, name);
    assert.is(runsArea(runs), area, name);
    assert.equal(runsBox(runs), bbox_xywh, name);
  }
});

test('refuses broken encodings', () => {
  const isMaskError = (error: Error): boolean => error instanceof MaskError;
  assert.throws(() => parseRle({ size: [3, 3], counts: [4, 4] }), isMaskError);
  assert.throws(() => parseRle({ size: [3, 3], counts: '54!' }), isMaskError);
  assert.throws(() => parseRle({ size: [3, 3], counts: 'T' }), isMaskError);
  assert.throws(() => runsOfMask(new Uint8Array(8), 3, 3), isMaskError);
  const [a, b] = [parseRle({ size: [3, 4], counts: [12] }), parseRle({ size: [4, 3], counts: [12] })];
  assert.throws(() => mergeRuns([a, b], 'union'), isMaskError);
  assert.throws(() => mergeRuns([], 'union'), isMaskError);
});

test('IoU of masks', () => {
  for (const [index, { dt, gt, iscrowd, iou }] of golden.iou.entries()) {
    const [detections, truths] = [dt, gt].map((masks) => masks.map((rle) => measureMask(parseRle(rle))));
    detections.forEach((detection, d) =>
      truths.forEach((truth, g) =>
        close(maskIou(detection, truth, iscrowd[g] === 1), iou[d][g], `${index}: ${d}, ${g}`),
      ),
    );
  }
});

test('IoU of boxes', () => {
  for (const { dt_xywh, gt_xywh, iscrowd, iou } of golden.bbox_iou) {
    dt_xywh.forEach((detection, d) =>
      gt_xywh.forEach((truth, g) => close(boxIou(detection, truth, iscrowd[g] === 1), iou[d][g], `${d}, ${g}`)),
    );
  }
});

test('merges masks', () => {
  for (const { rles, union, intersection } of golden.merge) {
    const masks = rles.map(parseRle);
    assert.equal(compressRuns(mergeRuns(masks, 'union')), union);
    assert.equal(compressRuns(mergeRuns(masks, 'intersection')), intersection);
    const area = runsArea(mergeRuns([masks[0], masks[masks.length - 1]], 'intersection'));
    assert.is(intersectionArea(masks[0], masks[masks.length - 1]), area);
  }
});

test('runs of length 0 in both masks at one place do not end a merge early', () => {
  const a = parseRle({ size: [2, 4], counts: [2, 0, 2, 4] });
  const b = parseRle({ size: [2, 4], counts: [2, 0, 3, 3] });
  assert.equal(decodeRle(compressRuns(mergeRuns([a, b], 'intersection'))), Uint8Array.of(0, 0, 0, 1, 0, 0, 1, 1));
  assert.is(intersectionArea(a, b), 3);
});

test('rasterises polygons', () => {
  for (const { name, size, polygons, each, merged, area, bbox_xywh } of golden.polygons) {
    polygons.forEach((polygon, i) => assert.is(compressRuns(polygonRuns(polygon, ...size)).counts, each[i], name));
    const runs = polygonsRuns(polygons, ...size);
    assert.is(compressRuns(runs).counts, merged, name);
    assert.is(runsArea(runs), area, name);
    assert.equal(runsBox(runs), bbox_xywh, name);
  }
});

test('rasterises boxes', () => {
  for (const { size, xywh, rles, area } of golden.boxes) {
    xywh.forEach((box, i) => {
      const runs = boxRuns(box, ...size);
      assert.is(compressRuns(runs).counts, rles[i]);
      assert.is(runsArea(runs), area[i]);
    });
  }
});

test.run();
