/** The page Watch in a browser, while a training goes on, is restarted, and the server too. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WebServer } from '@cim/tools/web/server/server';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchBrowser } from '../browser/index.ts';
import { expectAccessible, openPage, startServer } from './open-app.ts';
import { curveLine, makeRun, monitorLine, type RunFixture } from './run-fixture.ts';

const test = suite('page Watch');
let run: RunFixture;
let server: WebServer;
let browser: Browser;
let page: Page;
let problems: string[];
const file = (name: string): string => join(run.folder, name);

test.before(async () => {
  run = await makeRun('watch', { train: 1, val: 1 });
  server = await startServer([run.folder]);
  browser = await launchBrowser();
  ({ page, problems } = await openPage(browser, server.url, 'watch/demo'));
});
test.after(async () => {
  await browser.close();
  await server.close();
});

/** Waits until a chart says so of its lines. */
const chartSays = (title: string, text: string): Promise<unknown> =>
  page.waitForFunction(
    ([name, part]) =>
      [...document.querySelectorAll('.plot')].some((plot) => {
        const label = plot.getAttribute('aria-label') ?? '';
        return label.startsWith(name) && label.includes(part);
      }),
    [title, text],
  );
const tile = (title: string): Promise<string> =>
  page.$eval(
    '.tiles',
    (list, name) => {
      const found = [...list.children].find((one) => one.firstElementChild?.textContent === name);
      return found?.lastElementChild?.textContent ?? '';
    },
    title,
  );
/** Pixels of a chart that have some colour of a line rather than of the grid. */
const inked = (): Promise<number> =>
  page.$eval('.chart canvas', (canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [red, green, blue, alpha] = data.subarray(i, i + 4);
      if (alpha > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 80) count++;
    }
    return count;
  });

test('what the logs say is drawn', async () => {
  await chartSays('Losses', 'step 1 to 3');
  await chartSays('Losses', 'total from 10');
  await chartSays('Learning rate', 'from 1e-3');
  await chartSays('Images a second', 'to 4');
  await chartSays('GPU memory', 'most from 4 to 4');
  assert.is(await tile('Step'), '3 of 4');
  assert.is(await tile('GPU memory'), '4 MiB');
  assert.ok((await inked()) > 100, 'lines are seen');
});

test('a step that is logged appears', async () => {
  const now = Date.now();
  appendFileSync(file('cim.log.jsonl'), curveLine(3).slice(0, 20));
  appendFileSync(file('cim.log.jsonl'), curveLine(3).slice(20));
  appendFileSync(file('cim.monitor.jsonl'), monitorLine(3, now));
  await chartSays('Losses', 'step 1 to 4');
  assert.is(await tile('Step'), '4 of 4');
  await page.waitForFunction(() => document.querySelector('.status')?.textContent === 'Done');
});

test('kernels and sample pictures of a checkpoint', async () => {
  const { id, file_name: name } = run.val.images[0];
  const found = run.found.filter(({ score }) => score > 0.5);
  const kernels = [
    { name: 'conv', count: 3, ms: 30 },
    { name: 'gemm', count: 2, ms: 10 },
  ];
  const detections = found.map(({ segmentation, score }) => ({ class: 0, score, mask: segmentation }));
  const scores = { mAP25: 80, mAP50: 61.5, mAP70: 30, mAP75: 20, AP: 35 };
  const samples = [{ id, name, width: 64, height: 64, detections }];
  const line = JSON.parse(monitorLine(3, Date.now())) as object;
  appendFileSync(file('cim.monitor.jsonl'), `${JSON.stringify({ ...line, kernels })}\n`);
  appendFileSync(file('cim.monitor.jsonl'), `${JSON.stringify({ step: 3, time: 0, preview: { scores, samples } })}\n`);
  await page.waitForSelector('.kernels');
  assert.equal(await page.$$eval('.kernels tbody tr', (rows) => rows.map((row) => row.textContent)), [
    'conv330.0 ms75.0 %',
    'gemm210.0 ms25.0 %',
  ]);
  await chartSays('Mask AP', 'IoU .50 from 61.5 to 61.5');
  await page.waitForSelector('.samples canvas');
  assert.match(String(await page.getAttribute('.samples canvas', 'aria-label')), `${name}: `);
  const alphas = await page.$eval('.samples canvas', (canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  });
  assert.ok(alphas > 20, 'masks are drawn');
});

test('accessible', () => expectAccessible(page));

test('a line can be switched off', async () => {
  const before = await inked();
  const button = page.getByRole('button', { name: /^total/ });
  await button.click();
  assert.is(await button.getAttribute('aria-pressed'), 'false');
  await page.waitForTimeout(100);
  assert.ok((await inked()) < before);
  await button.click();
});

test('the trainer begins anew', async () => {
  const other = curveLine(0).replace('"total":10', '"total":70');
  writeFileSync(file('cim.log.jsonl'), other + curveLine(1));
  await chartSays('Losses', 'step 1 to 2: total from 70');
  assert.is(await tile('Step'), '2 of 4');
});

test('nothing went wrong in the page, and nothing came from elsewhere', () => assert.equal(problems, []));

test('the server is restarted on its port: the page comes back by itself', async () => {
  const port = Number(new URL(server.url).port);
  await server.close();
  await page.waitForFunction(() => /does not answer/.test(document.querySelector('.status')?.textContent ?? ''));
  appendFileSync(file('cim.log.jsonl'), curveLine(2));
  server = await startServer([run.folder], port);
  await chartSays('Losses', 'step 1 to 3: total from 70');
  await page.waitForFunction(() => !/does not answer/.test(document.querySelector('.status')?.textContent ?? ''));
});

test.run();
