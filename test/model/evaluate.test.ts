import { classificationMap } from '@cim/model/evaluate/classification';
import { cocoStatistics, evaluateCoco } from '@cim/model/evaluate/coco';
import { type CocoJson, type CocoResult, EvaluationError } from '@cim/model/evaluate/coco-json';
import { corLoc } from '@cim/model/evaluate/voc-boxes';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readTestJson } from '../files.ts';

const read = (name: string): Promise<unknown> => readTestJson(`golden/coco/${name}`);

function close(actual: ArrayLike<number>, expected: ArrayLike<number>, label: string): void {
  assert.is(actual.length, expected.length, `${label}: length`);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(actual[i] - expected[i]) <= 1e-9, `${label}[${i}]: ${actual[i]}, expected ${expected[i]}`);
  }
}

const test = suite('evaluate');

test('names the 12 statistics', () => {
  assert.equal(
    cocoStatistics.map(({ name }) => name),
    'AP,AP50,AP75,AP small,AP medium,AP large,AR1,AR10,AR100,AR small,AR medium,AR large'.split(','),
  );
});

test('no detections and no objects', async () => {
  const gt = (await read('small_gt.json')) as CocoJson;
  assert.equal(evaluateCoco(gt, [], { type: 'segm' }).stats[0], 0);
  assert.equal(evaluateCoco({ ...gt, annotations: [] }, [], { type: 'bbox' }).stats, Array(12).fill(-1));
});

test('refuses results that do not fit', async () => {
  const gt = (await read('small_gt.json')) as CocoJson;
  const [box] = (await read('small_dt_bbox.json')) as CocoResult[];
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

test('CorLoc without images of the class', () => {
  assert.is(corLoc(new Map([['a', []]]), []), -1);
});

test.run();
