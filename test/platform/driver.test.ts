import { Device, GpuUnavailableError } from '@cim/runtime';
import { driverOf } from '@cim/runtime/platform/driver';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('drivers');
const onLinux = process.platform === 'linux' && process.arch === 'x64' ? test : test.skip;

const info = (fields: Partial<GPUAdapterInfo>): GPUAdapterInfo =>
  ({
    vendor: '',
    architecture: '',
    device: '',
    description: '',
    isFallbackAdapter: false,
    ...fields,
  }) as GPUAdapterInfo;

test('adapters are told apart', () => {
  assert.is(driverOf(info({ vendor: 'nvidia', architecture: 'ampere' })), 'hardware');
  assert.is(
    driverOf(
      info({ vendor: 'mesa', architecture: 'software', description: 'llvmpipe: Mesa 25', isFallbackAdapter: true }),
    ),
    'lavapipe',
  );
  assert.is(driverOf(info({ vendor: 'google', architecture: 'swiftshader', isFallbackAdapter: true })), 'swiftshader');
  assert.is(driverOf(info({ description: 'Microsoft Basic Render Driver', isFallbackAdapter: true })), 'software');
});

onLinux('SwiftShader runs in this process, whatever the machine has', async () => {
  const device = await Device.open({ driver: 'swiftshader' });
  assert.is(device.adapter.driver, 'swiftshader');
  assert.equal([...(await device.tensor([1, 2, 3]).read())], [1, 2, 3]);
  await device.close();
});

test('drivers can be mixed in one process, and the choice leaves the Vulkan variables as they were', async () => {
  const variables = () => ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'].map((name) => process.env[name]);
  const before = variables();
  const usual = await Device.open();
  const again = await Device.open({ driver: usual.adapter.driver === 'software' ? 'auto' : usual.adapter.driver });
  assert.is(again.adapter.driver, usual.adapter.driver);
  assert.equal([...(await again.tensor([4]).read()), ...(await usual.tensor([5]).read())], [4, 5]);
  assert.equal(variables(), before);
  await again.close();
  await usual.close();
});

test('hardware is either given or refused with a reason, never replaced', async () => {
  try {
    const device = await Device.open({ driver: 'hardware' });
    assert.is(device.adapter.driver, 'hardware');
    await device.close();
  } catch (error) {
    assert.instance(error, GpuUnavailableError);
    assert.match((error as GpuUnavailableError).message, /no hardware adapter on this machine/);
    assert.match((error as GpuUnavailableError).remedy, /doctor/);
  }
});

test.run();
