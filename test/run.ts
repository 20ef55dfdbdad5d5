/**
 * Runs every test file, or those whose path contains one of the given words:
 *
 *     npm test -- [--platform node,deno,chromium] [--driver auto|hardware|lavapipe|swiftshader] [WORD …]
 *
 * The harness, kernels, runtime and model are tested on every platform, the rest on Node. The driver reaches the tests
 * of Node and Deno as $CIM_DRIVER; Chromium has its own.
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DRIVER_CHOICES, isDriverChoice, ReportedError } from '@cim/runtime';
import { BrowserUnavailableError } from './browser/index.ts';
import { openChromium } from './runner/chromium.ts';
import type { Outcome } from './runner/outcome.ts';
import { PLATFORMS, type Platform, type PlatformName } from './runner/platform.ts';
import { openDeno, openNode } from './runner/processes.ts';
import { formatTable, type Skipped } from './runner/table.ts';

const folder = path.dirname(fileURLToPath(import.meta.url));
/** Software drivers use every core by themselves: more files at a time only cost memory. */
const JOBS = Math.min(2, availableParallelism());
/** Suites that know nothing of the platform. */
const EVERYWHERE = ['harness', 'kernels', 'runtime', 'model'];

const suiteOf = (file: string): string => file.split('/')[0];

function findFiles(words: readonly string[]): string[] {
  const files = (readdirSync(folder, { recursive: true }) as string[])
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort();
  if (files.length === 0) throw new RangeError(`No test file's path contains ${words.join(' or ')}.`);
  return files;
}

function parsePlatforms(text: string): PlatformName[] {
  const names = text.split(',');
  const unknown = names.find((name) => !(PLATFORMS as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new RangeError(`--platform is "${text}": "${unknown}" is none of ${PLATFORMS.join(', ')}.`);
  return PLATFORMS.filter((name) => names.includes(name));
}

function print(platform: PlatformName, { file, passed, failed, skipped, seconds, errors }: Outcome): void {
  const counts = [
    `${String(passed).padStart(4)} passed`,
    ...(failed > 0 ? [`${failed} FAILED`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  console.log(`${platform.padEnd(8)} ${file.padEnd(40)} ${seconds.toFixed(1).padStart(6)} s ${counts.join(', ')}`);
  if (failed > 0) console.log(errors.replace(/^/gm, '    '));
}

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    options: {
      driver: { type: 'string', default: 'auto' },
      platform: { type: 'string', default: PLATFORMS.join(',') },
    },
    allowPositionals: true,
  });
  const { driver } = values;
  if (!isDriverChoice(driver))
    throw new RangeError(`--driver is "${driver}"; it must be one of ${DRIVER_CHOICES.join(', ')}.`);
  const files = findFiles(positionals);
  const portable = files.filter((file) => EVERYWHERE.includes(suiteOf(file)));
  const openers: Record<PlatformName, () => Promise<Platform>> = {
    node: () => openNode(driver),
    deno: () => openDeno(driver),
    chromium: () => openChromium(portable),
  };

  const begin = performance.now();
  const platforms: Platform[] = [];
  const skipped: Skipped[] = [];
  const jobs: { platform: Platform; file: string }[] = [];
  for (const name of parsePlatforms(values.platform)) {
    const own = name === 'node' ? files : portable;
    if (own.length === 0) continue;
    try {
      const platform = await openers[name]();
      console.log(`${name.padEnd(8)} ${platform.description}`);
      platforms.push(platform);
      jobs.push(...own.map((file) => ({ platform, file })));
    } catch (error) {
      if (!(error instanceof BrowserUnavailableError)) throw error;
      console.log(`${name.padEnd(8)} skipped: ${error.message} ${error.remedy}`);
      skipped.push({ platform: name, suites: own.map(suiteOf) });
    }
  }

  const outcomes: { platform: PlatformName; outcome: Outcome }[] = [];
  const busy = new Set<Platform>();
  /** A file of a serial platform, if it is free, so that its others do not remain to the end. */
  const take = () => {
    const serial = jobs.findIndex(({ platform }) => platform.serial && !busy.has(platform));
    const index = serial >= 0 ? serial : jobs.findIndex(({ platform }) => !platform.serial);
    return index >= 0 ? jobs.splice(index, 1)[0] : undefined;
  };
  const worker = async (): Promise<void> => {
    for (let job = take(); job !== undefined; job = take()) {
      const { platform, file } = job;
      const start = performance.now();
      busy.add(platform);
      const report = await platform.run(file);
      busy.delete(platform);
      const outcome = { ...report, file, seconds: (performance.now() - start) / 1000 };
      outcomes.push({ platform: platform.name, outcome });
      print(platform.name, outcome);
    }
  };
  await Promise.all(Array.from({ length: JOBS }, worker));
  await Promise.all(platforms.map((platform) => platform.close()));

  const broken = outcomes.filter(({ outcome }) => outcome.failed > 0);
  if (broken.length > 0)
    console.log(`\nFailed: ${broken.map(({ platform, outcome }) => `${outcome.file} on ${platform}`).join(', ')}`);
  const sum = (key: 'passed' | 'failed' | 'skipped'): number =>
    outcomes.reduce((total, { outcome }) => total + outcome[key], 0);
  const leftOut = skipped.reduce((total, { suites }) => total + suites.length, 0);
  console.log(`\n${formatTable(outcomes, skipped)}`);
  console.log(`\n${((performance.now() - begin) / 60_000).toFixed(1)} minutes`);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped') + leftOut} skipped`);
  return broken.length === 0;
}

try {
  if (!(await main())) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof ReportedError || error instanceof RangeError || error instanceof TypeError)) throw error;
  console.error([error.message, ...(error instanceof ReportedError ? [error.remedy] : [])].join('\n'));
  process.exitCode = 1;
}
