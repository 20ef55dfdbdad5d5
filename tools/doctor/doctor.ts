/** What `cim doctor` prints: machine, adapter, limits, features, a gradient check, and what to do about what is missing. */
import { Device, mib, ReportedError } from '@cim/runtime';
import { cacheFolder } from '@cim/runtime/platform/software/cache';
import { deviceOptions } from '../cli/device-options.ts';
import type { GlobalOptions } from '../cli/options.ts';
import { checkGradients } from './gradients.ts';
import { adviceForGpu, describeMachine } from './machine.ts';

const LIMITS = [
  ['maxBufferSize', 'bytes'],
  ['maxStorageBufferBindingSize', 'bytes'],
  ['maxStorageBuffersPerShaderStage', ''],
  ['maxComputeWorkgroupStorageSize', 'bytes'],
  ['maxComputeInvocationsPerWorkgroup', ''],
  ['maxComputeWorkgroupsPerDimension', ''],
  ['minStorageBufferOffsetAlignment', 'bytes'],
] as const;

function print(title: string, rows: readonly (readonly [string, string | number])[]): void {
  console.log(`${title}`);
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) console.log(`  ${name.padEnd(width)}  ${value}`);
}

/** Whether everything that training needs works here. */
export async function examine(options: GlobalOptions): Promise<boolean> {
  print('Machine', [...describeMachine(), ['drivers kept in', cacheFolder()]]);
  let device: Device;
  try {
    device = await Device.open(deviceOptions(options));
  } catch (error) {
    if (!(error instanceof ReportedError)) throw error;
    console.log(error.message);
    if (options.driver !== 'auto') console.log('→ Without --driver the best that this machine has is used.');
    for (const line of adviceForGpu()) console.log(`→ ${line}`);
    return false;
  }
  try {
    describeDevice(device, options);
    return await reportGradients(device);
  } finally {
    await device.close();
  }
}

function describeDevice(device: Device, { driver: choice }: GlobalOptions): void {
  const { vendor, architecture, device: model, description, driver, reason, subgroupSize } = device.adapter;
  print('Adapter', [
    ['driver', `${driver} (asked for: ${choice})`],
    ['why', reason],
    ['description', description],
    ['vendor', vendor],
    ['architecture', architecture],
    ['device', model],
    ['subgroups', subgroupSize > 0 ? `of ${subgroupSize}` : 'none of a fixed size: the variants without are used'],
    ['features', [...device.features].sort().join(' ')],
  ]);
  print(
    'Limits',
    LIMITS.map(([name, unit]) => {
      const value = device.limits[name];
      return [name, unit === 'bytes' && value >= 2 ** 20 ? mib(value) : `${value} ${unit}`.trim()];
    }),
  );
  if (driver !== 'hardware') for (const line of adviceForGpu()) console.log(`→ ${line}`);
  if (driver === 'swiftshader' && choice === 'auto') {
    console.log(
      '→ Mesa lavapipe is about 4 times faster than SwiftShader; `npm run -s cim -- doctor --driver lavapipe` tries again to fetch it.',
    );
  }
  console.log('→ Another driver is chosen by `--driver hardware|lavapipe|swiftshader`, with every command.');
}

async function reportGradients(device: Device): Promise<boolean> {
  const begin = performance.now();
  const results = await checkGradients(device);
  const wrong = results.filter(({ ok }) => !ok);
  console.log(
    `Gradients of conv → batch norm → ReLU → linear against finite differences (${(performance.now() - begin).toFixed(0)} ms)`,
  );
  for (const { name, analytic, numeric, ok } of results) {
    console.log(
      `  ${ok ? 'ok   ' : 'WRONG'} ${name.padEnd(16)} ${analytic.toPrecision(6)} against ${numeric.toPrecision(6)}`,
    );
  }
  if (wrong.length > 0)
    console.log('→ This driver computes wrong results: update it, or run with `--driver swiftshader`.');
  else console.log('All is well.');
  return wrong.length === 0;
}
