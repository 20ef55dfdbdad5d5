/** The page Try in Chromium: a dropped image, its masks, and the same detections as `cim infer`. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CocoResult } from '@cim/model/evaluate/coco-json';
import { decodeRle, encodeRle, type Rle, runsBox, runsOfMask } from '@cim/model/evaluate/rle';
import type { Recipe } from '@cim/model/recipe/recipe';
import { Device } from '@cim/runtime';
import { objectClasses } from '@cim/tools/demo-data/objects';
import { demoScene } from '@cim/tools/demo-data/picture';
import { classColour } from '@cim/tools/draw/palette';
import { encodePng } from '@cim/tools/images/png';
import { inferSplit } from '@cim/tools/pipeline/infer-split';
import { openRun } from '@cim/tools/pipeline/run';
import { type Bundle, bundleApp } from '@cim/tools/web/server/bundle';
import { Resources } from '@cim/tools/web/server/resources';
import { serve, type WebServer } from '@cim/tools/web/server/server';
import { openSources } from '@cim/tools/web/server/sources';
import type { FoundInstance, Report } from '@cim/tools/web/try/messages';
import type { ProposalList } from '@cim/tools/web/wire';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchBrowser } from '../browser/index.ts';
import { temporaryFolder } from '../tools/tiny-run.ts';
import { expectAccessible, openPage } from './open-app.ts';

const test = suite('try');
/**
 * A small network that finds the instances of most pictures, without the state of its solver. Trained on the data of
 * `cim demo` by `cim train --data runs/demo/data --out runs/small --preset demo --set name=try backbone.stemChannels=8
 * 'backbone.stages=[{channels: 12, blocks: 1, stride: 2}, {channels: 20, blocks: 1, stride: 1}]'
 * cim.region.channels=16 cim.region.hidden=48`.
 */
const NETWORK = path.join(path.dirname(fileURLToPath(import.meta.url)), 'network');
const SIZE = { width: 192, height: 144 };
const NAME = 'dropped.png';
/** Stages of a cold start on SwiftShader, on a busy machine. */
const PATIENCE = 240_000;

const folder = path.join(temporaryFolder('try'), 'run');
const scene = demoScene(1, 'val', 53, SIZE.width, SIZE.height);
const picture = encodePng(scene.image);
let browser: Browser;
let bundle: Bundle;
let server: WebServer;
/** Whose kernels are compiled once for all. */
let page: Page;
let problems: string[];

test.before(async () => {
  cpSync(NETWORK, folder, { recursive: true });
  writeData(path.join(folder, 'data'));
  bundle = await bundleApp();
  server = await start(folder, bundle);
  browser = await launchBrowser();
  ({ page, problems } = await openTry(server.url));
});
test.after(async () => {
  await browser?.close();
  await server?.close();
});

const start = (run: string, files: Bundle): Promise<WebServer> =>
  serve(new Resources(openSources([run]), files, { live: true }), { port: 0, host: '127.0.0.1' });

/** A data set of the one picture, for both splits. */
function writeData(data: string): void {
  mkdirSync(path.join(data, 'JPEGImages'), { recursive: true });
  mkdirSync(path.join(data, 'annotations'));
  writeFileSync(path.join(data, 'JPEGImages', NAME), picture);
  const annotations = scene.instances.map(({ classIndex, mask, area }, i) => ({
    id: i + 1,
    image_id: 1,
    category_id: classIndex + 1,
    iscrowd: 0,
    area,
    bbox: runsBox(runsOfMask(mask, SIZE.height, SIZE.width)),
    segmentation: encodeRle(mask, SIZE.height, SIZE.width),
  }));
  const images = [{ id: 1, file_name: NAME, ...SIZE }];
  const categories = objectClasses.map(({ name }, i) => ({ id: i + 1, name, supercategory: 'demo' }));
  for (const split of ['train', 'val'])
    writeFileSync(path.join(data, 'annotations', `${split}.json`), JSON.stringify({ images, annotations, categories }));
}

/** What the worker of a page has told. */
const reportsOf = (): Promise<Report[]> => page.evaluate('window.reports');

/** The page Try, which notes what its worker tells. */
async function openTry(url: string): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext();
  await context.addInitScript(`
    window.reports = [];
    const Plain = Worker;
    window.Worker = class extends Plain {
      constructor(...args) {
        super(...args);
        this.addEventListener('message', ({ data }) => window.reports.push(data));
      }
    };`);
  const opened = await openPage(context, url, 'try');
  await opened.page.waitForSelector('.try');
  return opened;
}

/** Drops a file on the page, as a person would. */
async function drop(bytes: Uint8Array, name: string, type: string): Promise<void> {
  const transfer = await page.evaluateHandle(
    `(() => {
      const bytes = Uint8Array.from(atob(${JSON.stringify(Buffer.from(bytes).toString('base64'))}), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], ${JSON.stringify(name)}, { type: ${JSON.stringify(type)} }));
      return transfer;
    })()`,
  );
  await page.dispatchEvent('.try-stage', 'dragover', { dataTransfer: transfer });
  await page.dispatchEvent('.try-stage', 'drop', { dataTransfer: transfer });
}

/** What `cim infer` writes of the picture, on the driver that Chromium has. */
async function inferred(): Promise<CocoResult[]> {
  const device = await Device.open({ driver: 'swiftshader', tuning: 'off' });
  const recipe = JSON.parse(readFileSync(path.join(folder, 'recipe.json'), 'utf8')) as Recipe;
  const report = { progress: () => ({ advance: () => {}, stop: () => {} }), info: () => {}, warn: () => {} };
  const run = await openRun(device, { data: path.join(folder, 'data'), out: folder, recipe, strict: true, report });
  const { resultsFile } = await inferSplit(run, 'val');
  await device.close();
  return JSON.parse(readFileSync(resultsFile, 'utf8')) as CocoResult[];
}

test('a dropped image gets masks, and the detections that cim infer finds', async () => {
  await expectAccessible(page);
  await drop(picture, NAME, 'image/png');
  // The last stage, or a failure.
  await page.waitForSelector('.stages li[data-state=done]:nth-child(8), .failure:not([hidden])', { timeout: PATIENCE });
  const reports = await reportsOf();
  assert.equal(
    reports.filter(({ type }) => type === 'failed'),
    [],
  );
  const { proposals, instances } = findings(reports);
  assert.ok(instances.length > 0);
  const expected = await inferred();
  assert.is(instances.length, expected.length);
  const byMask = new Map(expected.map((result) => [keyOf(result.category_id, result.segmentation as Rle), result]));
  assert.is(byMask.size, expected.length);
  for (const { proposal, classIndex, score } of instances) {
    const result = byMask.get(keyOf(classIndex + 1, proposals[proposal].mask!));
    assert.ok(result, `proposal ${proposal} of class ${classIndex}`);
    assert.ok(Math.abs(result.score - score) < 1e-4, `${result.score} in Node, ${score} in Chromium`);
  }

  const sure = instances.filter(({ score }) => score >= 0.3);
  assert.ok(sure.length > 0, 'real detections');
  assert.is(await page.locator('.instance').count(), sure.length);
  const labels = await page.locator('.instance').evaluateAll((rows) => rows.map((row) => row.textContent));
  assert.match(labels[0] ?? '', /^(bird|fish|lantern|mushroom|truck), score 0\.\d\d, mask IoU 0\.\d\d$/);
  checkCanvas(await canvasOf(), sure, proposals);

  for (const [key, view] of Object.entries({ 2: 'proposals', 3: 'responses', 4: 'evidence' })) {
    await page.keyboard.press(key);
    assert.is(await page.getAttribute('.segments [aria-pressed=true]', 'data-view'), view);
    const { data } = await canvasOf();
    assert.ok(data.filter((alpha, i) => i % 4 === 3 && alpha > 0).length > 100, `${view} are drawn`);
  }
  await page.keyboard.press('1');
  await expectAccessible(page);
  assert.equal(problems, []);
});

const keyOf = (category: number, { size, counts }: Rle): string => `${category} ${size} ${counts}`;

function findings(reports: readonly Report[]): { proposals: ProposalList; instances: readonly FoundInstance[] } {
  const found = reports.flatMap((report) => (report.type === 'found' ? [report.finding] : []));
  const { proposals } = found.find(({ type }) => type === 'proposals') as { proposals: ProposalList };
  const { instances } = found.find(({ type }) => type === 'instances') as { instances: readonly FoundInstance[] };
  return { proposals, instances };
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly data: readonly number[];
}

const canvasOf = (): Promise<Pixels> =>
  page.evaluate(`(() => {
    const canvas = document.querySelector('.try-stage canvas');
    const { width, height, data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return { width, height, data: [...data] };
  })()`);

/** Inside of the surest instance lies its colour; what no instance is near to is clear, but for their labels. */
function checkCanvas({ width, height, data }: Pixels, sure: readonly FoundInstance[], proposals: ProposalList): void {
  const masks = sure.map(({ proposal }) => decodeRle(proposals[proposal].mask!));
  const near = (mask: Uint8Array, x: number, y: number, reach: number): number => {
    let inside = 0;
    for (let v = y - reach; v <= y + reach; v++)
      for (let u = x - reach; u <= x + reach; u++)
        if (u >= 0 && v >= 0 && u < SIZE.width && v < SIZE.height) inside += mask[v * SIZE.width + u];
    return inside;
  };
  const best = sure.reduce((a, b) => (b.score > a.score ? b : a));
  const bestMask = masks[sure.indexOf(best)];
  const colour = classColour(best.classIndex);
  const counts = { inside: 0, coloured: 0, outside: 0, clear: 0 };
  for (let y = 0; y < SIZE.height; y++) {
    for (let x = 0; x < SIZE.width; x++) {
      const column = Math.floor(((x + 0.5) * width) / SIZE.width);
      const row = Math.floor(((y + 0.5) * height) / SIZE.height);
      const [red, green, blue, alpha] = data.slice(4 * (row * width + column), 4 * (row * width + column) + 4);
      if (near(bestMask, x, y, 2) === 25) {
        counts.inside++;
        const difference = [red, green, blue].map((value, c) => Math.abs(value - colour[c]));
        if (alpha > 60 && Math.max(...difference) <= 4) counts.coloured++;
      } else if (masks.every((mask) => near(mask, x, y, 2) === 0)) {
        counts.outside++;
        if (alpha === 0) counts.clear++;
      }
    }
  }
  const told = JSON.stringify(counts);
  assert.ok(counts.inside > 50 && counts.coloured / counts.inside > 0.8, told);
  assert.ok(counts.outside > 5000 && counts.clear / counts.outside > 0.9, told);
}

/** The message over the picture, once there is one. */
async function alertOf(page: Page): Promise<string> {
  await page.waitForSelector('.failure:not([hidden])', { timeout: PATIENCE });
  return (await page.textContent('.failure')) ?? '';
}

test('what is no image, damaged or huge is told, and the next image is welcome', async () => {
  const png = (width: number, height: number): Uint8Array => {
    const bytes = Uint8Array.from(picture);
    new DataView(bytes.buffer).setUint32(16, width);
    new DataView(bytes.buffer).setUint32(20, height);
    return bytes;
  };
  for (const [name, type, bytes, message] of [
    [
      'note.txt',
      'text/plain',
      new TextEncoder().encode('no image'),
      'Cannot decode note.txt: it begins with "no image"',
    ],
    ['empty.png', 'image/png', new Uint8Array(), 'the file is empty'],
    ['damaged.png', 'image/png', picture.subarray(0, 40), 'Cannot decode damaged.png'],
    ['huge.png', 'image/png', png(20_000, 20_000), 'more than 100000000 pixels'],
  ] as const) {
    await drop(bytes, name, type);
    await page.locator('.failure:not([hidden])', { hasText: message }).waitFor({ timeout: PATIENCE });
  }
  assert.is(await page.getAttribute('.failure', 'role'), 'alert');
  await expectAccessible(page, '.failure');
});

test('a damaged network is told with its address', async () => {
  const damaged = path.join(temporaryFolder('try-damaged'), 'run');
  cpSync(folder, damaged, { recursive: true });
  const weights = readFileSync(path.join(NETWORK, 'cim.safetensors'));
  writeFileSync(path.join(damaged, 'cim.safetensors'), weights.subarray(0, weights.length - 1000));
  const own = await start(damaged, bundle);
  const { page } = await openTry(own.url);
  const message = await alertOf(page);
  assert.match(message, 'cim.safetensors');
  assert.match(message, 'truncated');
  assert.match(message, 'Try again');
  await page.close();
  await own.close();
});

test('a browser without WebGPU is told what to do', async () => {
  const worker = 'assets/try-worker.js';
  const without = new TextEncoder().encode('delete WorkerNavigator.prototype.gpu;\n');
  const own = await start(folder, new Map([...bundle, [worker, Buffer.concat([without, bundle.get(worker)!])]]));
  const { page } = await openTry(own.url);
  const message = await alertOf(page);
  assert.match(message, 'This browser has no WebGPU');
  assert.match(message, 'Use a current Chrome');
  await page.close();
  await own.close();
});

test('nothing of Node is in what browsers get', () => {
  for (const [name, bytes] of bundle) {
    if (!name.endsWith('.js')) continue;
    const text = Buffer.from(bytes).toString('utf8');
    assert.not.match(text, /(from|import|require\()\s*["'`](node:|fs|path|sharp|webgpu)\b/, name);
  }
  assert.ok(bundle.has('assets/try-worker.js'));
});

test.run();
