import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device } from '@cim/runtime';
import { neededLibraries } from '@cim/runtime/platform/software/elf';
import { fetchLavapipe } from '@cim/runtime/platform/software/lavapipe';
import { swiftshader } from '@cim/runtime/platform/software/swiftshader';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

// Set before the first use: everything below starts from an empty cache.
const cache = mkdtempSync(path.join(tmpdir(), 'cim-cache-'));
process.env.CIM_CACHE = cache;
const test = suite('software drivers');
const onLinux = process.platform === 'linux' && process.arch === 'x64' ? test : test.skip;
test.after(() => rmSync(cache, { recursive: true, force: true }));

onLinux('SwiftShader unpacks into the cache folder, once', () => {
  const { manifest, libraries } = swiftshader();
  assert.ok(manifest.startsWith(cache) && existsSync(manifest));
  const { ICD } = JSON.parse(readFileSync(manifest, 'utf8')) as { ICD: { library_path: string } };
  const driver = path.resolve(path.dirname(manifest), ICD.library_path);
  assert.ok(neededLibraries(driver).includes('libc.so.6'));
  assert.ok(neededLibraries(libraries[0]).includes('libc.so.6'));
  assert.equal(swiftshader().manifest, manifest);
});

test('a file that is no library is refused by name', () => {
  const file = new URL(import.meta.url).pathname;
  assert.throws(
    () => neededLibraries(file),
    (error: Error) => error.message.includes(file) && error.message.includes('ELF'),
  );
});

onLinux(
  'without apt, lavapipe is refused with the reason, auto goes on to SwiftShader, and nothing is left behind',
  async () => {
    const { PATH } = process.env;
    process.env.PATH = cache;
    try {
      await fetchLavapipe();
      assert.unreachable('fetched without apt');
    } catch (error) {
      assert.match((error as Error).message, /there is no apt-get on this machine/);
    } finally {
      process.env.PATH = PATH;
    }
    const device = await Device.open();
    if (device.adapter.driver === 'swiftshader') assert.match(device.adapter.reason, /there is no apt-get/);
    else assert.match(device.adapter.reason, /machine/);
    await device.close();
    assert.not(existsSync(path.join(cache, 'lavapipe')));
  },
);

test.run();
