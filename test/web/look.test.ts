/** The page Look in a browser: masks by their pixels, filters, keyboard. */
import { type CocoJson, segmentationRuns } from '@cim/model/evaluate/coco-json';
import { decodeRle, maskOfRuns } from '@cim/model/evaluate/rle';
import type { WebServer } from '@cim/tools/web/server/server';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchBrowser } from '../browser/index.ts';
import { expectAccessible, openPage, startServer } from './open-app.ts';
import { makeRun, type RunFixture, SIZE } from './run-fixture.ts';

const test = suite('page Look');
const IMAGES = 60;
let run: RunFixture;
let server: WebServer;
let browser: Browser;
let page: Page;
let problems: string[];

test.before(async () => {
  run = await makeRun('look', { val: IMAGES });
  server = await startServer([run.folder]);
  browser = await launchBrowser();
  ({ page, problems } = await openPage(browser, server.url, 'look/demo/val'));
});
test.after(async () => {
  await browser.close();
  await server.close();
});

/** Red, green, blue and alpha of a canvas at the middle of every pixel of the image. */
const pixelsOf = (selector: string): Promise<number[][]> =>
  page.$eval(
    selector,
    (canvas, size) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
      return Array.from({ length: size * size }, (_, i) => {
        const x = Math.floor((((i % size) + 0.5) * width) / size);
        const y = Math.floor(((Math.floor(i / size) + 0.5) * height) / size);
        return [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4)];
      });
    },
    SIZE,
  );
const drawn = (selector: string): Promise<unknown> =>
  page.waitForFunction((name) => (document.querySelector(name) as HTMLCanvasElement | null)?.width ?? 0 > 1, selector);
/** Pixels whose neighbours are like them: the border of a mask goes through none of these. */
const isInner = (mask: Uint8Array, i: number): boolean =>
  [-2, -1, 1, 2].every((by) => mask[i + by] === mask[i] && mask[i + by * SIZE] === mask[i]);
const first = (): { id: number; name: string } => ({
  id: run.val.images[0].id,
  name: run.val.images[0].file_name,
});
const focused = (): Promise<string> =>
  page.evaluate(() => document.activeElement?.closest('li')?.dataset.id ?? document.activeElement?.tagName ?? '');

test('the grid: only cells near the window exist, with masks of what was found', async () => {
  await page.waitForSelector('.cell');
  const cells = await page.$$('.cell');
  assert.ok(cells.length < IMAGES, `${cells.length} cells`);
  assert.match(await page.innerHTML('.results .bar'), `${IMAGES} images`);
  const selector = `li[data-id="${first().id}"] canvas`;
  await page.waitForFunction((name) => {
    const canvas = document.querySelector(name) as HTMLCanvasElement;
    return canvas
      .getContext('2d')!
      .getImageData(0, 0, canvas.width, canvas.height)
      .data.some((value) => value > 0);
  }, selector);
  const mask = new Uint8Array(SIZE * SIZE);
  for (const { score, segmentation } of run.found) {
    if (score > 0.5) decodeRle(segmentation!).forEach((value, i) => (mask[i] |= value));
  }
  const pixels = await pixelsOf(selector);
  let inside = 0;
  mask.forEach((value, i) => {
    if (!isInner(mask, i)) return;
    inside += value;
    assert.is(pixels[i][3] > 0, value === 1, `pixel ${i % SIZE}, ${Math.floor(i / SIZE)}`);
  });
  assert.ok(inside > 20, 'there is something to see');
});

test('accessible', () => expectAccessible(page));

test('the keyboard moves through the grid, opens an image, goes on, and comes back', async () => {
  await page.focus(`li[data-id="${first().id}"] button`);
  const ids = run.val.images.map(({ id }) => String(id));
  await page.keyboard.press('ArrowRight');
  assert.is(await focused(), ids[1]);
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  assert.is(await focused(), ids[0], 'the first image is the end');
  await page.keyboard.press('End');
  assert.is(await focused(), ids[IMAGES - 1], 'an image that was not in the page');
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  const columns = ids.indexOf(await focused());
  assert.ok(columns > 1);
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  assert.match(page.url(), `#look/demo/val/${ids[columns]}`);
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction((id) => location.hash.endsWith(id), ids[columns + 1]);
  assert.is(await page.textContent('#viewer-title'), run.val.images[columns + 1].file_name);
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'hidden' });
  await page.waitForFunction(() => location.hash === '#look/demo/val');
  assert.is(await focused(), ids[columns + 1]);
});

test('an image at full size: layers by digits, objects in a list, one that stands out', async () => {
  await page.goto(`${server.url}#look/demo/val/${first().id}`);
  await page.waitForSelector('dialog[open] .object');
  assert.equal(await page.$$eval('.objects h3', (titles) => titles.map((title) => title.firstChild!.textContent)), [
    'Detections',
  ]);
  await page.keyboard.press('1');
  await page.waitForFunction(() => document.querySelectorAll('.objects h3').length === 2);
  await page.keyboard.press('3');
  await page.waitForFunction(() => document.querySelector('.objects h3')?.firstChild?.textContent === 'Ground truth');
  await drawn('.stage canvas');
  const objects = run.val.annotations.filter(({ image_id: id }) => id === first().id);
  assert.is((await page.$$('.object')).length, objects.length);
  // Annotated objects are lines: nothing but the highlighted one is filled.
  await page.keyboard.press('ArrowDown');
  await page.waitForSelector('.object.hovered');
  const mask = maskOfRuns(
    segmentationRuns(objects[0].segmentation as CocoJson['annotations'][0]['segmentation'], SIZE, SIZE),
  );
  const others = objects.slice(1).map(({ segmentation }) => maskOfRuns(segmentationRuns(segmentation, SIZE, SIZE)));
  const pixels = await pixelsOf('.stage canvas');
  let checked = 0;
  mask.forEach((value, i) => {
    if (value === 0 || !isInner(mask, i) || others.some((other) => other[i] !== 0 || !isInner(other, i))) return;
    // A label may stand on it.
    if (pixels[i][3] < 250) assert.ok(Math.abs(pixels[i][3] - 127.5) < 3, `alpha ${pixels[i][3]}`);
    checked++;
  });
  assert.ok(checked > 10);
  await expectAccessible(page, 'dialog');
  await page.keyboard.press('Escape');
});

test('filters leave out objects and images', async () => {
  await page.goto(`${server.url}#look/demo/val`);
  const count = (): Promise<string> => page.$eval('.results .bar p', (element) => element.textContent ?? '');
  const truth = run.val.annotations.length;
  await page.keyboard.press('1');
  await page.keyboard.press('3');
  assert.match(await count(), `${IMAGES} images · ${truth} objects`);
  const score = page.getByRole('slider', { name: 'Score at least', exact: true });
  await score.fill('0.95');
  assert.match(await count(), `${IMAGES} images · 0 objects`);
  await score.fill('0');
  assert.match(await count(), `${2 * truth} objects`);
  await page.locator('.chip', { hasText: 'bird' }).click();
  const category = run.val.categories.find(({ name }) => name === 'bird')!.id;
  const birds = run.val.annotations.filter(({ category_id: id }) => id === category);
  const images = new Set(birds.map(({ image_id: id }) => id)).size;
  assert.match(await count(), `${images} of ${IMAGES} images · ${2 * birds.length} objects`);
});

test('training images: response maps glow, proposals are outlined, pseudo labels are filled', async () => {
  await page.getByRole('button', { name: 'train', exact: true }).click();
  await page.waitForFunction(() => location.hash === '#look/demo/train');
  await page.waitForSelector('li[data-id="1"] canvas');
  await page.keyboard.press('4'); // pseudo labels off
  await page.keyboard.press('3'); // peaks on
  await page.waitForFunction(() => {
    const canvas = document.querySelector('li[data-id="1"] canvas') as HTMLCanvasElement;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return data[4 * (canvas.width * (canvas.height - 9) + 9) + 3] > 100;
  });
  const pixels = await pixelsOf('li[data-id="1"] canvas');
  const at = (x: number, y: number): number[] => pixels[Math.floor(y * SIZE) * SIZE + Math.floor(x * SIZE)];
  assert.is(at(0.5, 0.25)[3], 255, 'the peak itself');
  assert.ok(Math.abs(at(0.1, 0.9)[3] - 0.72 * 255) < 4, 'the strongest response everywhere');
  await page.keyboard.press('3');
  await page.keyboard.press('2');
  await page.waitForFunction(() => {
    const canvas = document.querySelector('li[data-id="1"] canvas') as HTMLCanvasElement;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const border = canvas.width / 4;
    const alphas = [border / 2, border - 2, border - 1, border, border + 1].map(
      (x) => data[4 * (canvas.width * 40 + Math.floor(x)) + 3],
    );
    return alphas[0] === 0 && Math.max(...alphas) > 100;
  });
});

test('what cannot be shown is said', async () => {
  await page.goto(`${server.url}#look/other/val`);
  await page.waitForSelector('.cell');
  const answer = await page.evaluate(async () => (await fetch('api/demo/test/images.json')).status);
  assert.is(answer, 404);
  problems.splice(problems.findLastIndex((problem) => problem.includes('404'))); // the browser reports it too
});

test('nothing went wrong in the page, and nothing came from elsewhere', () => assert.equal(problems, []));

test.run();
