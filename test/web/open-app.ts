/** The app in a headless browser, served from a run's folder. */
import { bundleApp } from '@cim/tools/web/server/bundle';
import { Resources } from '@cim/tools/web/server/resources';
import { serve, type WebServer } from '@cim/tools/web/server/server';
import { openSources } from '@cim/tools/web/server/sources';
import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import * as assert from 'uvu/assert';

export async function startServer(folders: readonly string[], port = 0): Promise<WebServer> {
  const resources = new Resources(openSources(folders), await bundleApp(), { live: true });
  return serve(resources, { port, host: '127.0.0.1' });
}

/** A page of the app; what goes wrong in it, or comes from elsewhere, is in `problems`. */
export async function openPage(
  browser: Browser | BrowserContext,
  url: string,
  hash: string,
): Promise<{ readonly page: Page; readonly problems: string[] }> {
  const page = await browser.newPage();
  await page.setViewportSize({ width: 1280, height: 800 });
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url)) problems.push(request.url());
  });
  await page.goto(`${url}#${hash}`);
  return { page, problems };
}

/** No rule of WCAG 2.2 A and AA that axe knows is broken in a part of a page, in the light or the dark. */
export async function expectAccessible(page: Page, part = 'html'): Promise<void> {
  await page.evaluate(axe.source);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const violations = await page.evaluate(async (selector) => {
      const { axe: checker } = window as unknown as { axe: typeof axe };
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const found = await checker.run(selector, { runOnly: { type: 'tag', values: tags } });
      return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
    }, part);
    assert.equal(violations, [], colorScheme);
  }
  await page.emulateMedia({ colorScheme: null });
}
