/** Every kernel compiles with both WGSL compilers, within the limits that every WebGPU adapter has. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAX_STORAGE_BUFFERS } from '@cim/kernels';
import { PipelineCache } from '@cim/runtime/pipelines';
import { findAdapter } from '@cim/runtime/platform/platform';
import { testDriver } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { create, globals } from 'webgpu';
import { everyKernel, isBase } from '../kernels/every-kernel.ts';

const test = suite('compile');
const kernels = everyKernel();

test('every kernel in the sources is among those compiled', () => {
  const folder = path.dirname(createRequire(import.meta.url).resolve('@cim/kernels'));
  const compiled = new Set(kernels.map((kernel) => kernel.name));
  const sources = (readdirSync(folder, { recursive: true }) as string[]).filter(
    (file) => /\.ts$/.test(file) && !/node_modules|dist/.test(file),
  );
  const named = sources.flatMap((file) =>
    [...readFileSync(path.join(folder, file), 'utf8').matchAll(/^ +name: '([^']+)',$/gm)].map((m) => m[1]),
  );
  assert.ok(named.length > 50);
  assert.equal(
    named.filter((name) => !compiled.has(name)),
    [],
  );
});

test('base variants keep the portable limits', () => {
  for (const kernel of kernels.filter(isBase)) {
    assert.ok(Object.keys(kernel.bindings).length <= MAX_STORAGE_BUFFERS, `${kernel.key} binds too many buffers`);
    assert.not.match(kernel.wgsl, /^enable /m, `${kernel.key} enables a feature that it does not require`);
  }
});

test('Tint compiles the base variants on a device without features and with the default limits', async () => {
  const device = await validationDevice([]);
  await new PipelineCache(device).compile(kernels.filter(isBase));
  device.destroy();
});

test('Tint compiles every variant where its features exist', async () => {
  const device = await validationDevice(['subgroups', 'shader-f16', 'chromium-experimental-subgroup-matrix']);
  const missing = kernels
    .flatMap(({ requires }) => requires.features ?? [])
    .filter((feature) => !device.features.has(feature));
  assert.equal(missing, []);
  await new PipelineCache(device).compile(kernels);
  device.destroy();
});

// Dawn's instance must outlive its devices.
const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);

/** A device of Dawn's null backend: it validates all and runs nothing, and has every feature on any machine. */
async function validationDevice(features: string[]): Promise<GPUDevice> {
  Object.assign(globalThis, globals);
  const adapter = (await gpu.requestAdapter())!;
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize } =
    adapter.limits;
  const largest = { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize };
  const requiredFeatures = features as GPUFeatureName[];
  return adapter.requestDevice({ requiredFeatures, requiredLimits: features.length > 0 ? largest : {} });
}

test('naga compiles the base variants', async () => {
  const texts = kernels.filter(isBase).map(({ key, wgsl }) => ({ key, wgsl }));
  const deno = createRequire(import.meta.url).resolve('deno/bin.cjs');
  const script = fileURLToPath(new URL('naga.deno.js', import.meta.url));
  const options = {
    input: JSON.stringify(texts),
    encoding: 'utf8',
    env: { ...process.env, ...(await softwareEnvironment()) },
  } as const;
  const { stdout, stderr } = spawnSync(process.execPath, [deno, 'run', '--no-config', '--no-lock', script], options);
  const results = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { key: string; error?: string });
  const failures = results.filter(({ error }) => error !== undefined).map(({ key, error }) => `${key}: ${error}`);
  assert.equal(failures, []);
  // naga ends the process on some constructs: the kernel after the last one reported is the one.
  assert.is(results.length, texts.length, `naga stopped at ${texts[results.length]?.key}:\n${stderr}`);
});

/** What lets a process that knows nothing of our driver choice find the same adapter. */
async function softwareEnvironment(): Promise<Record<string, string>> {
  const { software } = await findAdapter(testDriver());
  if (!software) return {};
  const { manifest } = software;
  return { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest, LD_LIBRARY_PATH: path.dirname(manifest) };
}

test.run();
