import { pclLoss } from '@cim/model/loss/index';
import { Tape } from '@cim/runtime';
import { randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('losses');
const device = await testDevice();

test('losses of an inference tape leave nothing behind but their values', async () => {
  const [n, columns] = [40, 4];
  const cls = device.tensor(randomArray([n, columns], 1, 0.1, 0.9), [n, columns]);
  const clusters = new Float32Array(n * columns);
  for (let i = 0; i < n; i += 3) clusters[i * columns + (i % columns)] = 1 + (i % columns);
  const labels = device.tensor(clusters, [n, columns]);
  const before = device.memoryUse.live;
  const loss = pclLoss(new Tape(device, { recording: false }), cls, labels, 1);
  assert.ok((await loss.read())[0] > 0);
  loss.dispose();
  assert.is(device.memoryUse.live, before);
});

test.run();
