import type { CurvePoint, RunSummary, StrategyScores } from '@cim/tools/pipeline/summary';
import { type ReportContent, reportHtml } from '@cim/tools/report/report';
import { summaryTable } from '@cim/tools/report/table';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const classes = ['disc', '<b>ring</b> & "star"'];
const strategy = (name: string, scores: number[], ap: number[][]): StrategyScores => ({
  strategy: name,
  seed: 3,
  mAP25: scores[0],
  mAP50: scores[1],
  mAP70: scores[2],
  mAP75: scores[3],
  AP: scores[4],
  byClass: classes.map((className, c) => ({ categoryId: c + 1, name: className, ap: ap[c] })),
});
const summary: RunSummary = {
  recipe: 'small',
  data: { folder: 'shapes', classes, train: 96, val: 48 },
  strategies: [
    strategy(
      'cim',
      [81.21, 72.31, 54.11, 46.71, 41.51],
      [
        [90.11, 80.11, 60.11, 50.11],
        [72.31, 64.51, 48.11, 43.31],
      ],
    ),
    strategy(
      'anti-noise branch',
      [61.22, 44.32, 22.12, 17.22, 19.52],
      [
        [70.12, 50.12, 30.12, 20.12],
        [52.32, 38.52, 14.12, 14.32],
      ],
    ),
  ],
  classifier: { mAP: 98.41 },
  proposals: {
    meanBestIoU: 0.8431,
    recall50: 0.9531,
    recall70: 0.8731,
    upperBoundMAP50: 93.61,
    perImage: 71.4,
    secondsPerImage: 0.318,
  },
  seconds: { classifier: 412.4, proposals: 0, labels: 8.26, training: 845.1 },
  adapter: {
    vendor: 'mesa',
    architecture: 'llvmpipe',
    device: '',
    description: 'llvmpipe (LLVM 19.1.7, 256 bits)',
    driver: 'lavapipe',
    reason: 'there is no hardware adapter',
    subgroupSize: 8,
  },
  peakBytes: 734_003_200,
  skipped: ['broken.jpg: the file is empty'],
};
const points: CurvePoint[] = Array.from({ length: 500 }, (_, step) => {
  const noise = 1 + 0.2 * Math.sin(step * 12.9898);
  const losses = { bag: 1.4 * Math.exp(-step / 90) * noise + 0.21, pcl: 0.9 * Math.exp(-step / 160) * noise + 0.12 };
  return { step, lr: step < 350 ? 1e-3 : 1e-4, losses: { total: losses.bag + losses.pcl, ...losses } };
});
const content: ReportContent = {
  summary,
  curves: [{ title: 'Training', points }],
  pictures: [{ title: 'image 7.jpg', caption: 'disc <0.9>', file: 'overlays/image 7.png' }],
};

const test = suite('report');

test('every figure stands in the page', () => {
  const page = reportHtml(content);
  const figures = [
    ...['81.2', '72.3', '54.1', '46.7', '41.5', '61.2', '44.3', '22.1', '17.2', '19.5'], // strategies
    ...['90.1', '80.1', '60.1', '50.1', '64.5', '48.1', '43.3', '70.1', '30.1', '52.3', '38.5', '14.1'], // classes
    ...['98.4', '0.843', '95.3 %', '87.3 %', '93.6', '71.4', '0.32 s'], // classifier and proposals
    ...['6 min 52 s', 'done before', '8.3 s', '14 min 5 s', '66.8 %', '21 min 6 s in all'], // stages
    ...['lavapipe', 'there is no hardware adapter', 'llvmpipe (LLVM 19.1.7, 256 bits)', '8 invocations', '700 MiB'],
    ...['broken.jpg: the file is empty', 'cim', 'anti-noise branch'],
  ];
  for (const figure of figures) assert.ok(page.includes(`>${figure}<`), figure);
  assert.match(page, '2 classes, 96 training and\n  48 validation images');
});

test('names are escaped', () => {
  const page = reportHtml(content);
  assert.not.match(page, '<b>ring</b>');
  assert.match(page, '&lt;b&gt;ring&lt;/b&gt; &amp; &quot;star&quot;');
  assert.match(page, 'alt="image 7.jpg: disc &lt;0.9&gt;"');
});

test('the style sheet is not escaped', () => {
  const [, sheet] = reportHtml(content).split(/<\/?style>/);
  assert.match(sheet, 'tr.best > *');
  assert.not.match(sheet, /&\w+;/);
});

test('nothing is loaded but the pictures beside the page', () => {
  const page = reportHtml(content);
  const loaded = [...page.matchAll(/\b(?:src|href|srcset|action|data|poster)\s*=\s*"([^"]*)"/g)].map(
    ([, address]) => address,
  );
  assert.equal([...new Set(loaded)], ['overlays/image%207.png']);
  assert.not.match(page, /<(script|link|iframe|object|embed|base)\b|https?:|url\(|@import/i);
  assert.match(page, `default-src 'none'`);
});

test('curves have axes, a legend and a description', () => {
  const page = reportHtml(content);
  for (const name of ['total', 'bag', 'pcl', 'learning rate'])
    assert.match(page, new RegExp(`</svg>${name} <b>[\\d.]+</b></li>`));
  assert.match(
    page,
    /<desc id="rate-0-description">Learning rate over training steps: learning rate from 0\.001 to 0\.0001\.<\/desc>/,
  );
  assert.match(page, '>0.001</text>');
  assert.match(page, '>400</text>');
  // In the drawing area, whatever the noise.
  for (const [, x, y] of page.matchAll(/[ML](-?[\d.]+),(-?[\d.]+)/g)) {
    assert.ok(Number(x) >= 54 && Number(x) <= 546 && Number(y) >= 10 && Number(y) <= 214, `${x}, ${y}`);
  }
});

test('a run without curves, pictures and strategies has a page too', () => {
  const page = reportHtml({
    summary: { ...summary, strategies: [], seconds: {}, skipped: [] },
    curves: [{ title: 'Training', points: [] }],
    pictures: [],
  });
  assert.not.match(page, /NaN|Infinity|undefined/);
  assert.not.match(
    reportHtml({ ...content, curves: [{ title: 'Training', points: points.slice(0, 1) }] }),
    /NaN|Infinity|undefined/,
  );
});

test('the table for the terminal is aligned', () => {
  const lines = summaryTable(summary).split('\n');
  assert.is(lines[0], 'mask AP, %                seed  mAP25  mAP50  mAP70  mAP75  COCO AP');
  assert.is(lines[1], 'cim                          3   81.2   72.3   54.1   46.7     41.5');
  assert.is(lines[2], 'anti-noise branch            3   61.2   44.3   22.1   17.2     19.5');
  assert.is(lines[3], 'upper bound of proposals                93.6');
  assert.match(
    lines.join('\n'),
    'Proposals: mean best IoU 0.843, recall at IoU .5 95.3 %; 71 an image, 0.32 s each image\n' +
      'Image classification: mAP 98.4 %\nTime: 21 min 6 s; GPU memory: 700 MiB\nSkipped images: 1',
  );
});

test.run();
