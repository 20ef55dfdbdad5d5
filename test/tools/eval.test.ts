import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { encodeRle } from '@cim/model/evaluate/rle';
import { readGroundTruth } from '@cim/tools/datasets/read-ground-truth';
import { parseResults, readResults } from '@cim/tools/datasets/results';
import { DataError } from '@cim/tools/errors';
import { evaluateFiles } from '@cim/tools/evaluate/evaluate-files';
import { vocTable } from '@cim/tools/evaluate/voc-table';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cim } from './cim.ts';

const test = suite('eval');
const folder = mkdtempSync(join(tmpdir(), 'cim-eval-'));
test.after(() => rmSync(folder, { recursive: true }));

const golden = (name: string): string => fileURLToPath(new URL(`../golden/coco/${name}`, import.meta.url));
const put = (name: string, content: string | Uint8Array): string => {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
};
const images = [{ id: 7, width: 4, height: 3 }];
const mask = encodeRle(new Uint8Array(12).fill(1, 2, 6), 3, 4);
const result = { image_id: 7, category_id: 1, score: 0.5, segmentation: mask };
const annotation = { id: 5, image_id: 7, category_id: 1, area: 4, bbox: [0, 0, 2, 2], segmentation: mask, iscrowd: 0 };
const coco = (entry: object) =>
  JSON.stringify({
    images: [{ ...images[0], file_name: 'a.png' }],
    categories: [{ id: 1, name: 'cat' }],
    annotations: [{ ...annotation, ...entry }],
  });

async function rejects(run: () => unknown, ...patterns: RegExp[]): Promise<void> {
  let error: unknown;
  await Promise.resolve()
    .then(run)
    .catch((reason: unknown) => (error = reason));
  assert.instance(error, DataError);
  for (const pattern of patterns) assert.match((error as Error).message, pattern);
}

test('the VOC report as a table', async () => {
  const files = { gt: golden('small_gt.json'), dt: golden('small_dt_segm.json') };
  const { voc } = await evaluateFiles({ ...files, type: 'segm', voc: true });
  const lines = vocTable(voc!).split('\n');
  assert.is(lines.length, voc!.byCategory.length + 2);
  assert.match(lines[0], /^mask AP, % +IoU 0\.25 +IoU 0\.50 +IoU 0\.70 +IoU 0\.75$/);
  assert.match(lines[1], /57\.4 +31\.8 +31\.8 +31\.8$/);
  assert.match(lines.at(-1)!, /^mean +79\.3 +62\.3 +31\.9 +31\.9$/);
  assert.ok(
    lines.every(({ length }) => length === lines[0].length),
    'aligned',
  );
});

test('compressed files hold the same', async () => {
  const dt = put('dt.json.gz', gzipSync(JSON.stringify([result])));
  assert.equal(await readResults(dt, images), [result]);
  const gt = await readGroundTruth(put('gt.json.gz', gzipSync(coco({}))));
  assert.equal(gt.annotations[0], annotation);
  await rejects(() => readResults(put('bad.json.gz', 'no archive'), images), /bad\.json\.gz/, /incorrect header check/);
});

test('results that are none are quoted with file, entry and value', async () => {
  const cases: [unknown, RegExp][] = [
    [{ a: 1 }, /: it is \{"a":1\}/],
    [[result, 4], /entry 1 is 4/],
    [[{ ...result, image_id: '7' }], /entry 0 image_id is "7"/],
    [[{ ...result, score: null }], /entry 0 score is null/],
    [[{ image_id: 7, score: 1 }], /entry 0 category_id is missing/],
    [[{ ...result, bbox: [1, 2, 3] }], /entry 0 bbox is \[1,2,3\]/],
    [[{ ...result, segmentation: { size: [3], counts: '' } }], /entry 0 segmentation size is \[3\]/],
    [[{ ...result, segmentation: undefined }], /entry 0 is .*neither a segmentation nor a bbox/],
    [[{ ...result, image_id: 8 }], /entry 0 names image 8/],
    [
      [{ ...result, segmentation: { size: [4, 3], counts: mask.counts } }],
      /entry 0: .* 4 × 3 pixels, image 7 is 3 × 4/,
    ],
    [[{ ...result, segmentation: { size: [3, 4], counts: [2, 3] } }], /entry 0: .* sum to 5, not 12/],
  ];
  for (const [value, pattern] of cases) {
    await rejects(() => parseResults(JSON.stringify(value), 'dt.json', images), /^dt\.json is not a valid/, pattern);
  }
  await rejects(() => parseResults('[', 'dt.json', images), /dt\.json is not JSON/);
});

test('annotations that cannot be evaluated are quoted with file, id and value', async () => {
  const cases: [object, RegExp][] = [
    [{ segmentation: 5 }, /annotation 5 of image 7, segmentation is 5/],
    [{ segmentation: [[1, 2, 3, 4, 5, 6, 7]] }, /annotation 5 of image 7, segmentation/],
    [{ segmentation: { size: [4, 3], counts: mask.counts } }, /annotation 5 of image 7: .* 4 × 3 pixels/],
    [{ segmentation: { size: [3, 4], counts: [1] } }, /annotation 5 of image 7: .* sum to 1, not 12/],
    [{ iscrowd: 2 }, /annotation 5 of image 7, iscrowd is 2/],
    [{ segmentation: undefined }, /annotation 5 of a\.png has no segmentation/],
  ];
  for (const [change, pattern] of cases) {
    await rejects(() => readGroundTruth(put('gt.json', coco(change))), /gt/, pattern);
  }
  await rejects(() => readGroundTruth(join(folder, 'none.json')), /none\.json/, /no such file/);
});

test('the command prints the twelve numbers, and fails on what is no result file', async () => {
  const [gt, dt, json] = [
    put('gt.json', coco({})),
    put('dt.json', JSON.stringify([result])),
    join(folder, 'scores.json'),
  ];
  const { code, stdout } = await cim('eval', '--gt', gt, '--dt', dt, '--voc', '--json', json);
  assert.is(code, 0);
  assert.is(stdout.match(/^ Average (Precision|Recall) .* = -?\d\.\d{3}$/gm)?.length, 12);
  assert.match(stdout, /^cat +100\.0 +100\.0 +100\.0 +100\.0$/m);
  assert.is(JSON.parse(readFileSync(json, 'utf8')).stats[0].toFixed(6), '1.000000');
  const failed = await cim('eval', '--gt', gt, '--dt', gt);
  assert.is(failed.code, 1);
  assert.match(failed.stderr, /^DataError: .*gt\.json is not a valid COCO result file/);
});

test.run();
