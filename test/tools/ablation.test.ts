import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDevice } from '@cim/runtime/testing';
import { writeDemoDataset } from '@cim/tools/demo-data/write';
import { ConfigError } from '@cim/tools/errors';
import { ablation } from '@cim/tools/pipeline/ablation';
import { type AblationSummary, lead, variantResult } from '@cim/tools/pipeline/ablation-summary';
import { VARIANTS, variantsOf } from '@cim/tools/pipeline/ablation-variants';
import { chooseRecipe } from '@cim/tools/pipeline/recipe-options';
import { openRun } from '@cim/tools/pipeline/run';
import type { StrategyScores } from '@cim/tools/pipeline/summary';
import { ablationHtml, ablationTable } from '@cim/tools/report/ablation-report';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cim } from './cim.ts';

const test = suite('ablation');
const device = await testDevice();
const folder = mkdtempSync(join(tmpdir(), 'cim-ablation-'));
test.after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const scores = (strategy: string, seed: number, mAP50: number): StrategyScores => ({
  strategy,
  seed,
  mAP25: mAP50 + 10,
  mAP50,
  mAP70: mAP50 / 2,
  mAP75: mAP50 / 4,
  AP: mAP50 / 3,
  byClass: [],
});
const full = variantResult('CIM', [scores('CIM', 1, 70), scores('CIM', 2, 74), scores('CIM', 3, 78)]);
const rival = variantResult('<MIST>', [scores('<MIST>', 1, 60), scores('<MIST>', 2, 68), scores('<MIST>', 3, 79)]);
const summary: AblationSummary = {
  recipe: 'small',
  averageThreshold: 0.6,
  data: { folder: 'shapes', classes: ['disc', 'ring'], train: 96, val: 48 },
  seeds: [1, 2, 3],
  variants: [full, rival],
  leads: [lead(full, rival)],
  adapter: device.adapter,
};

test('mean and sample deviation over the seeds; leads are paired', () => {
  assert.is(full.mean.mAP50, 74);
  assert.is(full.deviation.mAP50, 4);
  assert.is(full.deviation.mAP75, 1);
  const [{ mean, deviation, runs }] = summary.leads;
  assert.is(mean.mAP50, 5);
  assert.equal(
    runs.map(({ seed, mAP50 }) => [seed, mAP50]),
    [
      [1, 10],
      [2, 6],
      [3, -1],
    ],
  );
  assert.ok(Math.abs(deviation.mAP50 - Math.sqrt((25 + 1 + 36) / 2)) < 1e-12);
  assert.is(variantResult('CIM', [scores('CIM', 1, 70)]).deviation.mAP50, 0);
});

test('the page shows every figure, and loads nothing', () => {
  const page = ablationHtml(summary);
  for (const figure of ['74.0 ± 4.0', '+5.0 ± 5.6', '−1.0', '78.0', '39.5', '0.6', '1, 2, 3', 'CIM − &lt;MIST&gt;'])
    assert.ok(page.includes(`>${figure}<`), figure);
  assert.is(page.match(/<circle/g)?.length, 2 * 6);
  assert.is(page.match(/class="whisker"/g)?.length, 4);
  assert.match(page, '<desc id="mAP50-description">mAP50, %: CIM 74.0 ± 4.0; &lt;MIST&gt; 69.0 ± 9.5.</desc>');
  assert.not.match(page, /<(script|link|img)\b|https?:|NaN|undefined|<MIST>/);
  const one = ablationHtml({
    ...summary,
    seeds: [1],
    variants: [variantResult('CIM', [scores('CIM', 1, 0)])],
    leads: [],
  });
  assert.not.match(one, /NaN|undefined|\d ± \d|whisker"/);
});

test('the table for the terminal', () => {
  const lines = ablationTable(summary).split('\n');
  assert.match(lines[0], /^mask AP, %: 3 seeds +mAP25 +mAP50 /);
  assert.match(lines[1], /^CIM +84\.0 ± 4\.0 +74\.0 ± 4\.0 +37\.0 ± 2\.0 /);
  assert.match(lines[3], /^lead CIM − <MIST> +\+5\.0 ± 5\.6 /);
});

test('variants are trained and tested once', async () => {
  const data = join(folder, 'data');
  await writeDemoDataset(data, { seed: 1, train: 5, val: 3, width: 80, height: 64 });
  const recipe = await chooseRecipe({
    preset: 'small',
    set: [
      'proposals={superpixels: 40, limit: 12}',
      'cim.region={channels: 8, hidden: 16}',
      'classifier.training={steps: 2, batch: 2}',
      'training={steps: 2, imagesPerStep: 1}',
      'test.flip=false',
    ],
  });
  const run = async (keys: string[], seeds: number[]): Promise<{ summary: AblationSummary; work: string[] }> => {
    const work: string[] = [];
    const report = {
      progress: (label: string, total: number) => {
        if (total > 0) work.push(label);
        return { advance: () => {}, stop: () => {} };
      },
      info: () => {},
      warn: (message: string) => assert.unreachable(message),
    };
    const open = await openRun(device, { data, out: join(folder, 'out'), recipe, strict: true, report });
    const summary = await ablation(open, variantsOf(keys), seeds);
    return { summary, work: work.filter((label) => label === 'Train' || label === 'Detect') };
  };
  const first = await run(['anti-noise', 'cim'], [7]);
  assert.equal(first.work, ['Train', 'Detect', 'Train', 'Detect']);
  assert.equal(
    first.summary.variants.map(({ variant }) => variant),
    ['CIM', 'anti-noise branch alone'],
  );
  assert.equal(
    first.summary.leads.map(({ of, over }) => [of, over]),
    [['CIM', 'anti-noise branch alone']],
  );
  assert.equal(JSON.parse(readFileSync(join(folder, 'out', 'ablation.json'), 'utf8')), first.summary);
  assert.ok(statSync(join(folder, 'out', 'ablation.html')).size > 4000);

  rmSync(join(folder, 'out', 'anti-noise-seed-7', 'results.json'));
  const again = await run(['anti-noise', 'cim'], [7]);
  assert.equal(again.work, ['Detect'], 'from the checkpoint');
  assert.equal(again.summary, first.summary);

  const all = await run(
    VARIANTS.map(({ key }) => key),
    [7],
  );
  assert.is(all.work.filter((label) => label === 'Train').length, VARIANTS.length - 2, 'every other variant');
  assert.is(all.summary.leads.length, VARIANTS.length - 1);

  const more = await run(['cim'], [7, 8]);
  assert.equal(more.work, ['Train', 'Detect'], 'the new seed only');
  assert.equal(more.summary.variants[0].runs[0], first.summary.variants[0].runs[0]);
});

test('variants and seeds that do not exist are refused', async () => {
  assert.throws(
    () => variantsOf(['cim', 'mit']),
    (error: unknown) =>
      error instanceof ConfigError && /no variant "mit".*/.test(error.message) && /"mist"/.test(error.remedy ?? ''),
  );
  const { code, stderr } = await cim('ablation', '--seeds', '1,2,1');
  assert.is(code, 1);
  assert.match(stderr, /No number may stand there twice/);
});

test.run();
