/** Headless Chromium: all test files in one bundle of modules, each run in a page of its own. */
import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { launchBrowser, servePage } from '../browser/index.ts';
import { crash, type Report } from './outcome.ts';
import { ADAPTER, FILE_TIMEOUT, type Platform } from './platform.ts';

const tests = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const PAGE = '<!doctype html><meta charset="utf-8"><title>Tests</title>';
const HELPERS = ['runner/queue.ts', ADAPTER[0]];
/** Data that tests read. */
const DATA = /^(\/[\w-][\w.-]*)+\.(safetensors|json|json\.gz)$/;

/** Module of a test file in the bundle. */
const moduleOf = (file: string): string => `/${file.replace(/\.ts$/, '.js')}`;

/** Modules by their path on the server. What runs in Node alone stays an import that browsers refuse, file by file. */
async function bundle(files: readonly string[]): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    absWorkingDir: tests,
    entryPoints: [...files, ...HELPERS],
    outdir: tests,
    outbase: tests,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2023',
    external: ['node:*', ...builtinModules],
    sourcemap: 'inline',
    write: false,
    logLevel: 'silent',
  });
  return new Map(
    outputFiles.map((file) => [`/${path.relative(tests, file.path).split(path.sep).join('/')}`, file.contents]),
  );
}

/**
 * Chromium with WebGPU on SwiftShader.
 * @throws BrowserUnavailableError when there is no browser; esbuild's errors when the files cannot be bundled.
 */
export async function openChromium(files: readonly string[]): Promise<Platform> {
  let browser: Promise<Browser> = launchBrowser();
  const version = (await browser).version();
  const modules = await bundle(files);
  const server = await servePage((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const module = modules.get(pathname);
    if (module) response.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8' }).end(module);
    else if (pathname === '/') response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE);
    else if (DATA.test(pathname))
      readFile(path.join(tests, pathname)).then(
        (data) => response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(data),
        () => response.writeHead(404).end(),
      );
    else response.writeHead(404).end();
  });

  /** What a promise, given as an expression, comes to in a new page. */
  async function inPage<T>(expression: string): Promise<T> {
    // A browser that crashed with one file must not fail those after it.
    if (!(await browser).isConnected()) browser = launchBrowser();
    const context = await (await browser).newContext();
    const page = await context.newPage();
    const output: string[] = [];
    let timer: NodeJS.Timeout | undefined;
    const failure = new Promise<never>((_, reject) => {
      page.on('crash', () => reject(new Error('The page crashed.')));
      page.on('pageerror', reject);
      timer = setTimeout(
        () => reject(new Error(`The page was not done in ${FILE_TIMEOUT / 60_000} minutes.`)),
        FILE_TIMEOUT,
      );
    });
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') output.push(message.text());
    });
    try {
      await page.goto(server.url);
      return await Promise.race([page.evaluate<T>(expression), failure]);
    } catch (error) {
      throw new Error([...output, (error as Error).stack].join('\n'), { cause: error });
    } finally {
      clearTimeout(timer);
      await context.close().catch(() => {});
    }
  }

  const call = (file: string, name: string): Promise<unknown> =>
    inPage(`import('${moduleOf(file)}').then((module) => module.${name}())`);
  const adapter = await call(...ADAPTER);
  return {
    name: 'chromium',
    description: `${version}: ${adapter}`,
    // One thread serves the GPU of all pages: while it compiles for one, the others wait.
    serial: true,
    run: (file): Promise<Report> =>
      inPage<Report>(
        `import('/runner/queue.js').then((module) => module.runSuites(() => import('${moduleOf(file)}')))`,
      ).catch((error: Error) => crash(error.message)),
    call,
    async close() {
      await (await browser).close();
      await server.close();
    },
  };
}
