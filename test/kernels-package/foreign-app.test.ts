/** The example app, whose GPUDevice is its own: as it is in a browser, bundled, and in Node. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Device } from '@cim/runtime';
import { testDriver } from '@cim/runtime/testing';
import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrowserUnavailableError, launchBrowser, servePage } from '../browser/index.ts';
import { type Bundler, bundleWithEsbuild, bundleWithRollup } from './bundlers.ts';
import { publishKernels } from './published.ts';

const test = suite('foreign app');
const { app, folder, remove } = await publishKernels();
const browser = await launchBrowser().catch((error: unknown) => {
  if (!(error instanceof BrowserUnavailableError)) throw error;
  console.log(`No browser: ${error.message}`);
});
// Only to find an adapter that this machine has: the app gets Dawn's own GPUDevice.
const device = await Device.open({ driver: testDriver() });
const { gpu } = device;
const inBrowser = browser ? test : test.skip;
test.after(async () => {
  await device.close();
  await browser?.close();
  remove();
});
const example = path.join(folder, 'examples', 'foreign-app');

interface Result {
  readonly gpu: Float32Array;
  readonly cpu: ArrayLike<number>;
}
interface Vision {
  findEdges(device: GPUDevice, image: object): Promise<Result>;
  cropBoxes(device: GPUDevice, image: object, boxes: number[][], size: number): Promise<Result>;
  compareMasks(device: GPUDevice, masks: Uint8Array[]): Promise<Result>;
}

/** Both are whole, and the same but for rounding. */
function expectSame({ gpu, cpu }: Result, count: number, tolerance = 1e-5): void {
  assert.equal([gpu.length, cpu.length], [count, count]);
  const worst = gpu.reduce((most, value, i) => Math.max(most, Math.abs(value - cpu[i])), 0);
  assert.ok(worst < tolerance, `${worst}`);
  assert.ok(gpu.some((value) => value > 0.1));
}

test('in Node, on a device of Dawn, odd sizes', async () => {
  const vision: Vision = await import(pathToFileURL(path.join(example, 'vision.js')).href);
  const [width, height] = [37, 23];
  const pixels = Float32Array.from({ length: 3 * width * height }, (_, i) => (i * 0.61803) % 1);
  const image = { pixels, width, height };
  expectSame(await vision.findEdges(gpu, image), width * height);
  const boxes = [
    [0, 0, width, height],
    [-3.5, 4.25, 12, 9],
    [20, 11, 20.5, 40],
  ];
  expectSame(await vision.cropBoxes(gpu, image, boxes, 5), 3 * 3 * 5 * 5);
  const masks = [1, 2, 3].map((step) =>
    Uint8Array.from({ length: width * height }, (_, i) => (i % (step + 1) ? 0 : 1)),
  );
  expectSame(await vision.compareMasks(gpu, masks), 9);
});

test('the plan of the README, in Node', async () => {
  const readme = readFileSync(new URL('../../kernels/README.md', import.meta.url), 'utf8');
  const code = readme
    .split('```js\n')
    .find((block) => block.includes('stepsOf('))!
    .split('```')[0];
  const file = path.join(app, 'plan.js');
  writeFileSync(
    file,
    `import { allocate, download, run, stepsOf, upload } from '${pathToFileURL(path.join(example, 'dispatch.js'))}';
    import * as reference from '@cim/kernels/reference';
    const { device } = globalThis;
    const numbers = (count) => Float32Array.from({ length: count }, (_, i) => ((i * 0.61803) % 1) - 0.5);
    const [image, taps, biases] = [numbers(64 * 28 * 28), numbers(64 * 64 * 9), numbers(64)];
    const [x, weight, bias] = [image, taps, biases].map((data) => upload(device, data));
    const y = allocate(device, 4 * 64 * 28 * 28);
    ${code}
    export const gpu = await download(device, y);
    export const cpu = reference.convForward(shape, image, taps, biases, true);`,
  );
  Object.assign(globalThis, { device: gpu });
  // Sums of 576 products.
  expectSame(await import(pathToFileURL(file).href), 64 * 28 * 28, 1e-3);
});

/** Serves a folder, opens a page of it and waits until it has its results; `look` gets the requests it made too. */
async function withPage(
  root: string,
  at: string,
  look: (page: Page, requests: string[]) => Promise<void>,
): Promise<void> {
  const server = await servePage(root);
  const page = await browser!.newPage();
  try {
    const [requests, failures]: string[][] = [[], []];
    page.on('request', (request) => requests.push(request.url().replace(server.url, '')));
    page.on('pageerror', (error) => failures.push(String(error)));
    page.on('response', (response) => {
      if (response.status() >= 400) failures.push(`${response.status()} ${response.url()}`);
    });
    await page.goto(server.url + at);
    await page.waitForSelector('#status[data-state]', { timeout: 60_000 });
    assert.equal(failures, []);
    await look(page, requests);
  } finally {
    await page.close();
    await server.close();
  }
}

/** Red, green and blue of a pixel of a canvas. */
const colourAt = (page: Page, canvas: string, x: number, y: number): Promise<number[]> =>
  page.evaluate(
    ([id, x, y]) => {
      const { data } = (document.getElementById(id) as HTMLCanvasElement).getContext('2d')!.getImageData(x, y, 1, 1);
      return [...data.slice(0, 3)];
    },
    [canvas, x, y] as const,
  );

/** What the scene of the page tells: no kernel and no reference is asked. */
async function expectResults(page: Page): Promise<void> {
  const status = await page.textContent('#status');
  assert.is(await page.getAttribute('#status', 'data-state'), 'passed', status!);
  // Inside the sun there is no edge; its topmost pixels are one.
  assert.equal(await colourAt(page, 'edges', 206, 34), [255, 255, 255]);
  const top = await Promise.all([11, 12, 13].map((y) => colourAt(page, 'edges', 206, y)));
  assert.ok(
    top.some(([red]) => red < 160),
    `${top}`,
  );
  // The second crop is the ladybird's, the fourth the sun's with sky in its corner.
  assert.equal(await colourAt(page, 'crops', 72 + 24, 24), [0xc8, 0x36, 0x2d]);
  assert.equal(await colourAt(page, 'crops', 216 + 32, 32), [0xf2, 0xb6, 0x32]);
  assert.equal(await colourAt(page, 'crops', 216 + 1, 1), [0xdf, 0xe9, 0xf2]);
  const cells = await page.locator('#iou tbody td').allTextContents();
  assert.equal(
    [0, 5, 10, 15].map((i) => cells[i]),
    Array(4).fill('1.00'),
  );
  // The ladybird is inside the leaf: the ratio of two ellipses.
  assert.is(cells[1], ((24 * 20) / (58 * 52)).toFixed(2));
  assert.equal([cells[3], cells[12]], ['0.00', '0.00']);
}

inBrowser('in a browser without a build', async () => {
  await withPage(folder, 'examples/foreign-app/', async (page, requests) => {
    await expectResults(page);
    assert.ok(requests.includes('dist/kernels.min.js'), `${requests}`);
    assert.equal(
      requests.filter((request) => !/^(dist|examples\/foreign-app)\//.test(request) && !request.startsWith('data:')),
      [],
    );
  });
});

/** The page with its one script in place of what the import map names. */
async function bundlePage(name: string, bundle: Bundler): Promise<string> {
  const source = path.join(app, name);
  cpSync(example, source, { recursive: true });
  const [script] = await bundle([path.join(source, 'main.js')]);
  const page = path.join(app, `${name}-built`);
  mkdirSync(page);
  writeFileSync(path.join(page, 'main.js'), script);
  const html = readFileSync(path.join(source, 'index.html'), 'utf8');
  writeFileSync(path.join(page, 'index.html'), html.replace(/<script type="importmap">[\s\S]*?<\/script>/, ''));
  return page;
}

for (const [name, bundle] of Object.entries({ esbuild: bundleWithEsbuild, rollup: bundleWithRollup })) {
  inBrowser(`in a browser, bundled by ${name}`, async () => {
    await withPage(await bundlePage(name, bundle), '', async (page, requests) => {
      await expectResults(page);
      assert.equal(
        requests.filter((request) => !request.startsWith('data:')),
        ['', 'main.js'],
      );
    });
  });
}

test.run();
