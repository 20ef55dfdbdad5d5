/** What a training tells those who watch it, and that it is the same training. */
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import type { MonitorPoint } from '@cim/tools/pipeline/monitor';
import { prepareAndTrain } from '@cim/tools/pipeline/run';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTinyRun, temporaryFolder } from './tiny-run.ts';

const test = suite('monitor');

test('previews of every checkpoint leave the training as it is, to the byte', async () => {
  const folder = temporaryFolder('monitor');
  const [data, plain, watched] = ['data', 'plain', 'watched'].map((name) => join(folder, name));
  await writeDemoDataset(data, { train: 4, val: 3, width: 64, height: 64 });
  const first = await openTinyRun(data, plain);
  await prepareAndTrain(first, first.train.images);
  // What comes before the network is shared.
  for (const file of ['classifier.safetensors', 'labels.safetensors', 'proposals']) {
    cpSync(join(plain, file), join(watched, file), { recursive: true });
  }
  const second = await openTinyRun(data, watched, { preview: 2 });
  await prepareAndTrain(second, second.train.images);
  for (const file of ['cim.safetensors', 'cim.log.jsonl']) {
    assert.ok(readFileSync(join(watched, file)).equals(readFileSync(join(plain, file))), file);
  }
  const lines = readFileSync(join(watched, 'cim.monitor.jsonl'), 'utf8').trim().split('\n');
  const points = lines.map((line) => JSON.parse(line) as MonitorPoint);
  assert.equal(
    points.map(({ step, preview }) => `${step}${preview ? ' preview' : ''}`),
    ['0', '1', '1 preview', '2', '3', '3 preview'],
  );
  for (const { images, memory, preview } of points) {
    if (preview) {
      assert.equal(
        preview.samples.map(({ name, width, height }) => [name, width, height]),
        second.val.images.slice(0, 2).map(({ fileName }) => [fileName, 64, 64]),
      );
      assert.ok(preview.scores!.mAP50 >= 0);
    } else {
      assert.is(images, 2);
      assert.ok(memory!.live > 0 && memory!.peak >= memory!.live);
    }
  }
  assert.is(readdirSync(join(watched, 'tensorboard', 'cim')).length, 1);
  assert.ok(existsSync(join(plain, 'peaks.safetensors')));
});

test.run();
