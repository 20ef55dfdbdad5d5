/** Kernels are compiled on devices of their own, into the driver's cache. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { add, fill, sum } from '@cim/kernels';
import { Device, stopWarmUp, warmUp } from '@cim/runtime';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('warm-up');
const cache = mkdtempSync(join(tmpdir(), 'cim-warm-up-'));
process.env.MESA_SHADER_CACHE_DIR = cache; // read by the driver when it is loaded
test.after(() => rmSync(cache, { recursive: true, force: true }));

const cachedBytes = (): number =>
  (readdirSync(cache, { recursive: true }) as string[])
    .map((name) => statSync(join(cache, name)))
    .reduce((total, file) => total + (file.isFile() ? file.blocks : 0), 0);

test('kernels reach the cache of lavapipe, once; nothing is compiled after the end', async () => {
  const device = await Device.open();
  const lavapipe = device.adapter.driver === 'lavapipe';
  const before = cachedBytes();
  const kernels = [sum({ n: 1000, square: false, partials: 4, offset: 0 }), add({ n: 100, relu: false })];
  const both = await Promise.all([warmUp(device, kernels, { queues: 2 }), warmUp(device, kernels)]);
  assert.equal(both, [true, true]);
  assert.ok(!lavapipe || cachedBytes() > before, 'compiled code is on the disk');

  // The device itself is as it was.
  const x = device.tensor([1, 2, 3]);
  const y = device.empty([3]);
  device.run(add({ n: 3, relu: false }), { a: x, b: x, y });
  assert.equal([...(await y.read())], [2, 4, 6]);

  await stopWarmUp(device);
  assert.is(await warmUp(device, [fill({ n: 4, value: 1 })]), !lavapipe);
  await device.close();
});

test.run();
