/** One picture through one network on every platform: the same detections. */
import { testDriver } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BrowserUnavailableError, requireChromium } from '../browser/index.ts';
import { openChromium } from '../runner/chromium.ts';
import type { Platform } from '../runner/platform.ts';
import { openDeno } from '../runner/processes.ts';
import { detect, type Found } from './detections.ts';

const MODULE = 'platform/detections.ts';
const test = suite('same detections');
const here = await detect();

const hasBrowser = await requireChromium().then(
  () => true,
  (error) => {
    if (!(error instanceof BrowserUnavailableError)) throw error;
    return false;
  },
);

test('the network detects something', () => {
  assert.ok(here.detections.length > 0);
  const best = Math.max(...here.detections.map(({ score }) => score));
  assert.ok(best > 0.5, `the best score is ${best}`);
  assert.ok(new Set(here.scores).size > 100);
});

/** The largest difference of scores, which are within [0, 1]. */
function largestDifference(actual: readonly number[], expected: readonly number[]): number {
  assert.is(actual.length, expected.length);
  return Math.max(...actual.map((score, i) => Math.abs(score - expected[i])));
}

async function expectSame(platform: Platform): Promise<void> {
  try {
    const there = (await platform.call(MODULE, 'detect')) as Found;
    assert.equal(there.areas, here.areas);
    for (const head of ['scores', 'antiNoise'] as const) {
      const difference = largestDifference(there[head], here[head]);
      assert.ok(difference <= 1e-4, `${head} differ by ${difference}`);
    }
    const named = ({ detections }: Found) => detections.map(({ proposal, classIndex }) => [proposal, classIndex]);
    assert.equal(named(there), named(here));
  } finally {
    await platform.close();
  }
}

test('Deno finds what Node finds', async () => expectSame(await openDeno(testDriver())));
(hasBrowser ? test : test.skip)('Chromium finds what Node finds', async () => expectSame(await openChromium([MODULE])));

test.run();
