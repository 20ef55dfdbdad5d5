/** Finds a browser of Chromium's family on this machine, or installs Debian's. */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ReportedError } from '@cim/runtime/errors';

/** No browser to run pages in. */
export class BrowserUnavailableError extends ReportedError {}

const run = promisify(execFile);
const INSTALL_TIMEOUT = 300_000;
const PACKAGE = 'chromium';
const COMMANDS = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'google-chrome-beta',
  'microsoft-edge',
];
/** Where they are outside of $PATH. */
const APPLICATIONS: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ['/opt/google/chrome/chrome', '/snap/bin/chromium'],
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  ],
  win32: ['PROGRAMFILES', 'PROGRAMFILES(X86)', 'LOCALAPPDATA'].flatMap((name) =>
    ['Google\\Chrome\\Application\\chrome.exe', 'Microsoft\\Edge\\Application\\msedge.exe'].map((file) =>
      path.join(process.env[name] ?? '', file),
    ),
  ),
};
/** Where Playwright and Puppeteer keep the browsers they downloaded, and what their programs are called there. */
const CACHES = ['ms-playwright', 'puppeteer'].flatMap((name) => [
  path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), name),
  path.join(homedir(), 'Library', 'Caches', name),
  path.join(process.env.LOCALAPPDATA ?? homedir(), name),
]);
const PROGRAM = /^(chrome|chrome\.exe|Chromium|Google Chrome for Testing|headless_shell|chrome-headless-shell)$/;

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function downloaded(): string[] {
  const folders = [process.env.PLAYWRIGHT_BROWSERS_PATH, ...CACHES].filter((folder) => folder && existsSync(folder));
  return folders.flatMap((folder) =>
    (readdirSync(folder!, { recursive: true }) as string[])
      .filter((file) => PROGRAM.test(path.basename(file)))
      .sort()
      .reverse()
      .map((file) => path.join(folder!, file)),
  );
}

/**
 * The program of $CIM_CHROMIUM, else of a browser on $PATH, of one installed elsewhere, of one that Playwright or
 * Puppeteer downloaded; undefined when there is none.
 * @throws BrowserUnavailableError when $CIM_CHROMIUM names no program.
 */
export function findChromium(): string | undefined {
  const wanted = process.env.CIM_CHROMIUM;
  if (wanted) {
    if (isProgram(wanted)) return wanted;
    throw new BrowserUnavailableError(`$CIM_CHROMIUM is "${wanted}", which is no program.`, 'Correct or unset it.');
  }
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  const onPath = COMMANDS.flatMap((command) => folders.map((folder) => path.join(folder, command)));
  return [...onPath, ...(APPLICATIONS[process.platform] ?? [])].find(isProgram) ?? downloaded().find(isProgram);
}

/**
 * The program of a browser; where none is found, Debian's package is installed if that is possible.
 * @throws BrowserUnavailableError with the reason why there is none.
 */
export async function requireChromium(): Promise<string> {
  const found = findChromium();
  if (found) return found;
  const remedy = 'Install Chromium or Chrome, or name its program in $CIM_CHROMIUM.';
  const none = 'No Chromium or Chrome is on this machine';
  if (process.platform !== 'linux') throw new BrowserUnavailableError(`${none}.`, remedy);
  if (process.getuid?.() !== 0) throw new BrowserUnavailableError(`${none}, and only root can install it.`, remedy);
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]) => run('apt-get', ['-qq', ...args], { env, timeout: INSTALL_TIMEOUT });
  try {
    await apt('update');
    await apt('install', '-y', '--no-install-recommends', PACKAGE);
  } catch (cause) {
    const { code, stderr, message } = cause as { code?: unknown; stderr?: string; message: string };
    const why = code === 'ENOENT' ? 'there is no apt-get' : (stderr?.trim() || message).split('\n')[0];
    throw new BrowserUnavailableError(`${none}, and installing it failed: ${why}.`, remedy, { cause });
  }
  const installed = findChromium();
  if (!installed) throw new BrowserUnavailableError(`${none}: Debian's ${PACKAGE} holds no program.`, remedy);
  return installed;
}
