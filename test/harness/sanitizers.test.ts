/** What a GPU test must not leave behind, of our Device and of a stranger's GPUDevice. */
import { Device, DeviceLostError } from '@cim/runtime';
import { findAdapter } from '@cim/runtime/platform/platform';
import { type GpuTestOptions, testDriver } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { failureOf, passes } from './failure.ts';

const test = suite('sanitizers');

/** A device as a stranger opens it. */
const rawDevice = async (): Promise<GPUDevice> => (await findAdapter(testDriver())).adapter.requestDevice();

const BAD_WGSL = `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() {
\ty[0] = undeclared + 1.0;
}`;
const GOOD_WGSL = BAD_WGSL.replace('undeclared', '2.0');

const leftovers: Record<string, { leave: (gpu: GPUDevice) => unknown; found: RegExp; off: GpuTestOptions }> = {
  'a buffer': {
    leave: (gpu) => gpu.createBuffer({ size: 64, usage: GPUBufferUsage.STORAGE }),
    found: /^A buffer of 64 bytes, made at .*sanitizers.*:\d+:\d+, was not destroyed\.$/,
    off: { sanitizeResources: false },
  },
  'a texture': {
    leave: (gpu) =>
      gpu.createTexture({ label: 'picture', size: [4, 3], format: 'r32float', usage: GPUTextureUsage.COPY_DST }),
    found: /^A texture "picture" of 4×3×1 r32float, made at .*:\d+:\d+, was not destroyed\.$/,
    off: { sanitizeResources: false },
  },
  'a query set': {
    leave: (gpu) => gpu.createQuerySet({ type: 'occlusion', count: 2 }),
    found: /^A query set of 2 occlusion queries, made at .*:\d+:\d+, was not destroyed\.$/,
    off: { sanitizeResources: false },
  },
  'a mapped buffer': {
    leave: async (gpu) => {
      const buffer = gpu.createBuffer({ size: 8, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      await buffer.mapAsync(GPUMapMode.READ);
    },
    found: /^A buffer of 8 bytes, mapped at .*:\d+:\d+, was not unmapped\.\nA buffer of 8 bytes, made at/,
    off: { sanitizeMaps: false, sanitizeResources: false },
  },
  'a buffer mapped at creation': {
    leave: (gpu) => gpu.createBuffer({ size: 8, usage: GPUBufferUsage.COPY_SRC, mappedAtCreation: true }),
    found: /^A buffer of 8 bytes, mapped at .*:\d+:\d+, was not unmapped\./,
    off: { sanitizeMaps: false, sanitizeResources: false },
  },
  'an error scope': {
    leave: (gpu) => gpu.pushErrorScope('validation'),
    found: /^An error scope pushed at .*:\d+:\d+ was not popped\.$/,
    off: { sanitizeScopes: false },
  },
  'an error': {
    leave: (gpu) => {
      const buffer = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE });
      gpu.queue.writeBuffer(buffer, 0, new Float32Array(4));
      buffer.destroy();
    },
    found: /usage|COPY_DST/i,
    off: { sanitizeErrors: false },
  },
  'WGSL that does not compile': {
    leave: (gpu) => gpu.createShaderModule({ code: BAD_WGSL }),
    found:
      /^A shader module made at .*:\d+:\d+ does not compile\.\n3:9 .*undeclared.*\n {4}3 \| \ty\[0\] = undeclared \+ 1\.0;\n {6}\| \t {7}\^{10}$/,
    off: { sanitizeErrors: false },
  },
  'a pipeline without its entry point': {
    leave: (gpu) => {
      const module = gpu.createShaderModule({ code: GOOD_WGSL });
      gpu.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'other' } });
    },
    found: /^A pipeline made at .*:\d+:\d+ is not valid\.\n[\s\S]*other[\s\S]*\n {4}2 \| @compute/,
    off: { sanitizeErrors: false },
  },
  'a pipeline whose layout lacks a binding': {
    leave: (gpu) => {
      const module = gpu.createShaderModule({ code: GOOD_WGSL });
      const group = gpu.createBindGroupLayout({
        entries: [{ binding: 1, visibility: GPUShaderStage.COMPUTE, buffer: {} }],
      });
      const layout = gpu.createPipelineLayout({ bindGroupLayouts: [group] });
      gpu.createComputePipeline({ layout, compute: { module, entryPoint: 'main' } });
    },
    found: /^A pipeline made at .*:\d+:\d+ is not valid\.\n[\s\S]*\n {4}1 \| @group\(0\) @binding\(0\)/,
    off: { sanitizeErrors: false },
  },
};

for (const [name, { leave, found, off }] of Object.entries(leftovers)) {
  for (const [whose, open] of [
    ['our device', undefined],
    ["a stranger's device", rawDevice],
  ] as const) {
    test(`${name} is found on ${whose}`, async () => {
      const body = async ({ gpu }: { gpu: GPUDevice }): Promise<void> => void (await leave(gpu));
      const options = { ownDevice: true };
      const { message } = await failureOf<Device | GPUDevice>(options, body, open);
      assert.ok(found.test(message), message);
      await passes<Device | GPUDevice>({ ...options, ...off }, body, open);
    });
  }
}

test('what is destroyed, popped and unmapped is fine, and so is an error in a scope', () =>
  passes({}, async ({ gpu }) => {
    gpu.createTexture({ size: [1], format: 'r32float', usage: GPUTextureUsage.COPY_DST }).destroy();
    const buffer = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    await buffer.mapAsync(GPUMapMode.READ);
    buffer.unmap();
    buffer.destroy();
    gpu.pushErrorScope('validation');
    gpu.createShaderModule({ code: BAD_WGSL });
    assert.ok(await gpu.popErrorScope());
  }));

test('a map that nobody awaits', async () => {
  const { message } = await failureOf({ ownDevice: true, sanitizeResources: false }, ({ gpu }) => {
    const buffer = gpu.createBuffer({ label: 'b', size: 8, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    void buffer.mapAsync(GPUMapMode.READ);
  });
  assert.match(message, /^A (mapAsync of )?(A )?buffer "b" of 8 bytes/);
});

test('tensors are watched, the memory pool is not', async () => {
  await passes({}, ({ device }) => device.tensor([1, 2, 3]).dispose());
  const { message } = await failureOf({}, ({ device }) => void device.tensor([1, 2, 3], [3, 1]));
  assert.match(message, /^A tensor \[3,1\] of f32, made at .*sanitizers.*:\d+:\d+, was not disposed\.$/);
});

test('a pipeline made asynchronously is rejected with its line', async () => {
  const { message, cause } = await failureOf({}, async ({ gpu }) => {
    const module = gpu.createShaderModule({ code: GOOD_WGSL });
    await gpu.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'other' } });
  });
  assert.match(message, /^A pipeline made at .*:\d+:\d+ is not valid\.\n[\s\S]*\n {4}2 \| @compute/);
  assert.ok(cause instanceof Error);
});

test("a test's own failure comes through, and with errors of the GPU after them", async () => {
  const own = new Error('unequal');
  const failed = await failureOf({}, ({ gpu }) => {
    gpu.createBuffer({ size: 64, usage: GPUBufferUsage.STORAGE });
    throw own;
  });
  assert.is(failed, own);
  const { message, cause } = await failureOf({}, ({ gpu }) => {
    gpu.createShaderModule({ code: BAD_WGSL });
    throw own;
  });
  assert.match(message, /does not compile[\s\S]*\nThe test itself: unequal$/);
  assert.is(cause, own);
});

test('after errors and loss the next test has a good device', async () => {
  await failureOf({}, ({ gpu }) => void gpu.createShaderModule({ code: BAD_WGSL }));
  await passes({}, async ({ device }) => device.check());
  await passes({}, ({ lose }) => lose());
  await passes({}, async ({ device }) => {
    const tensor = device.tensor([1, 2]);
    assert.equal([...(await tensor.read())], [1, 2]);
    tensor.dispose();
  });
});

test('a device is lost as a driver would lose it', async () => {
  await passes(
    {},
    async ({ gpu, lose }) => {
      const reported = gpu.lost.then(({ reason }) => reason);
      await lose();
      assert.is(await reported, 'unknown');
      const buffer = gpu.createBuffer({ size: 8, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      assert.ok(await rejection(buffer.mapAsync(GPUMapMode.READ)));
    },
    rawDevice,
  );
  await passes({}, async ({ device, lose }) => {
    const tensor = device.tensor([1, 2, 3]);
    await lose();
    assert.instance(await rejection(tensor.read()), DeviceLostError);
  });
});

test('a loss that the test did not ask for', async () => {
  const destroy = ({ gpu }: { gpu: GPUDevice }): void => gpu.destroy();
  assert.match((await failureOf({}, destroy)).message, /^The device was lost \(destroyed\)/);
  await passes({ ownDevice: true }, destroy);
});

test('the device is as before when the test is over', async () => {
  const device = await Device.open({ driver: testDriver(), tuning: 'off' });
  const before = [device.gpu.createBuffer, device.gpu.lost, device.track];
  await passes(
    {},
    () => {},
    async () => device,
  );
  assert.equal([device.gpu.createBuffer, device.gpu.lost, device.track], before);
  await device.close();
});

test.run();
