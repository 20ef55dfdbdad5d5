/**
 * Pictures of the app for the documentation, from the run in `runs/demo` or in the folder given:
 *
 *     npm run screenshots -- [RUN]
 */
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { launchBrowser } from '../browser/index.ts';
import { openPage, startServer } from './open-app.ts';

/** What each picture shows, and what to wait for. */
const PICTURES: Readonly<Record<string, { readonly hash: string; readonly prepare: (page: Page) => Promise<void> }>> = {
  look: {
    hash: 'look',
    prepare: async (page) => {
      await page.waitForSelector('.cell');
      await page.keyboard.press('1'); // the ground truth too
    },
  },
  'look-image': {
    hash: 'look',
    prepare: async (page) => {
      await page.locator('.cell').nth(11).click();
      await page.waitForSelector('.object');
      await page.keyboard.press('1');
    },
  },
  watch: { hash: 'watch', prepare: async (page) => void (await page.waitForSelector('.chart canvas')) },
  try: {
    hash: 'try',
    prepare: async (page) => {
      await page.locator('.examples li button').nth(7).click();
      // The last stage.
      await page.waitForSelector('.stages li[data-state=done]:nth-child(8)', { timeout: TRIED });
    },
  },
};
/** Pictures load and canvases are drawn, milliseconds. */
const SETTLE = 3000;
/** Kernels compile first, and a software driver may be all there is. */
const TRIED = 300_000;
const WIDTH = 880;

const [folder = 'runs/demo'] = process.argv.slice(2);
const server = await startServer([folder]);
const browser = await launchBrowser();
try {
  for (const [name, { hash, prepare }] of Object.entries(PICTURES)) {
    const { page } = await openPage(browser, server.url, hash);
    await prepare(page);
    await page.waitForTimeout(SETTLE);
    // How the folder is called on this machine is nobody's business.
    await page.$eval('.source .folder', (element) => {
      element.textContent = 'runs/demo';
    });
    const picture = await page.screenshot();
    await page.close();
    const file = fileURLToPath(new URL(`../../docs/${name}.png`, import.meta.url));
    const { size } = await sharp(picture)
      .resize({ width: WIDTH })
      .png({ palette: true, colours: 64, effort: 10, dither: 0.3 })
      .toFile(file);
    console.log(`${file}: ${(size / 1024).toFixed(0)} KB`);
  }
} finally {
  await browser.close();
  await server.close();
}
