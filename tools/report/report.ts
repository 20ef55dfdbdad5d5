/** The page that shows what came out of a run: one file, no script, nothing loaded but the pictures beside it. */
import { vocThresholds } from '@cim/model/evaluate/voc-report';
import { duration } from '../cli/progress.ts';
import type { CurvePoint, RunSummary, Scores, StrategyScores } from '../pipeline/summary.ts';
import { type Html, html } from './html.ts';
import { lineChart, type Series } from './line-chart.ts';
import { gibibytes, percent, scoreNames } from './numbers.ts';
import { facts, pageHtml, section, tableSection } from './page.ts';

export interface ReportContent {
  readonly summary: RunSummary;
  readonly curves: readonly { readonly title: string; readonly points: readonly CurvePoint[] }[];
  /** `file` is relative to the page. */
  readonly pictures: readonly { readonly title: string; readonly caption: string; readonly file: string }[];
}

/** The report of a run as an HTML document. */
export function reportHtml({ summary, curves, pictures }: ReportContent): string {
  const { recipe, data } = summary;
  return pageHtml(
    `CIM ${recipe}: report`,
    html`<header>
  <h1>Complete Instances Mining</h1>
  <p class="lead">Recipe <b>${recipe}</b> on ${data.folder}: ${data.classes.length} classes, ${data.train} training and
  ${data.val} validation images</p>
  ${tiles(summary)}
</header>
<main>
${[strategies(summary), perClass(summary), pictureGrid(pictures), ...curves.map(charts), proposals(summary), stages(summary), machine(summary), skipped(summary)]}
</main>`,
  );
}

const best = (strategies: readonly StrategyScores[]): StrategyScores | undefined =>
  strategies.toSorted((a, b) => b.mAP50 - a.mAP50)[0];

function tiles({ strategies, classifier, proposals, seconds }: RunSummary): Html {
  const top = best(strategies);
  const tile = (title: string, value: Html, note: string): Html =>
    html`<div><dt>${title}</dt><dd>${value}<small>${note}</small></dd></div>
    `;
  const share = (value: number): Html => html`${percent(value)}<i>%</i>`;
  return html`<dl class="tiles">
    ${top && tile('mAP50 of masks', share(top.mAP50), top.strategy)}
    ${tile('Upper bound of mAP50', share(proposals.upperBoundMAP50), 'if the best proposals won')}
    ${classifier ? tile('Image classification', share(classifier.mAP), 'mAP of the classifier') : ''}
    ${tile('Time', html`${duration(totalSeconds(seconds))}`, 'all stages')}
  </dl>`;
}

function strategies({ strategies, proposals }: RunSummary): Html {
  const names = Object.keys(scoreNames) as (keyof Scores)[];
  const top = best(strategies);
  return tableSection(
    'Instance segmentation',
    'Mask AP on the validation split, in percent: mAP at one IoU threshold as for PASCAL VOC, and COCO AP, the mean over IoU .50 to .95.',
    html`<table>
    <thead><tr><th scope="col">Strategy</th><th scope="col">Seed</th>${names.map((name) => html`<th scope="col">${scoreNames[name]}</th>`)}</tr></thead>
    <tbody>
      ${strategies.map(
        (
          scores,
        ) => html`<tr${scores === top ? html` class="best"` : undefined}><th scope="row">${scores.strategy}</th><td>${scores.seed}</td>${names.map((name) => html`<td>${percent(scores[name])}</td>`)}</tr>
      `,
      )}
      <tr class="aside"><th scope="row">Upper bound of the proposals</th><td>–</td>${names.map((name) => html`<td>${name === 'mAP50' ? percent(proposals.upperBoundMAP50) : '–'}</td>`)}</tr>
    </tbody>
  </table>`,
  );
}

function perClass({ strategies }: RunSummary): Html | undefined {
  if (strategies.length === 0) return undefined;
  const cells = (values: readonly number[]): Html[] =>
    values.map((value) => html`<td class="heat" style="--share:${(value / 100).toFixed(3)}">${percent(value)}</td>`);
  return tableSection(
    'Classes',
    'Mask AP in percent at four IoU thresholds; the stronger the colour, the higher.',
    html`<table>
    <thead>
      <tr class="groups"><td></td>${strategies.map(({ strategy, seed }) => html`<th scope="colgroup" colspan="${vocThresholds.length}">${strategy}${seedNote(strategies, strategy, seed)}</th>`)}</tr>
      <tr><th scope="col">Class</th>${strategies.map(() => vocThresholds.map((threshold) => html`<th scope="col">IoU ${threshold.toFixed(2).slice(1)}</th>`))}</tr>
    </thead>
    <tbody>
      ${strategies[0].byClass.map(
        (
          { name },
          c,
        ) => html`<tr><th scope="row">${name}</th>${strategies.map(({ byClass }) => cells(byClass[c].ap))}</tr>
      `,
      )}
    </tbody>
    <tfoot><tr><th scope="row">Mean</th>${strategies.map(({ mAP25, mAP50, mAP70, mAP75 }) => [mAP25, mAP50, mAP70, mAP75].map((value) => html`<td>${percent(value)}</td>`))}</tr></tfoot>
  </table>`,
  );
}

/** Tells runs of one strategy apart. */
const seedNote = (strategies: readonly StrategyScores[], name: string, seed: number): string =>
  strategies.filter(({ strategy }) => strategy === name).length > 1 ? `, seed ${seed}` : '';

function pictureGrid(pictures: ReportContent['pictures']): Html | undefined {
  if (pictures.length === 0) return undefined;
  const figures = pictures.map(({ title, caption, file }) => {
    const address = file.split('/').map(encodeURIComponent).join('/');
    return html`<figure>
      <a href="${address}"><img src="${address}" alt="${title}: ${caption}" loading="lazy"></a>
      <figcaption>${title}<span>${caption}</span></figcaption>
    </figure>
    `;
  });
  return section(
    'Pictures',
    html`<div class="pictures">${figures}</div>`,
    'Objects of the annotations left, detections right.',
  );
}

function charts({ title, points }: ReportContent['curves'][number], index: number): Html | undefined {
  if (points.length === 0) return undefined;
  const series = (name: string, pick: (point: CurvePoint) => number): Series => ({
    name,
    values: points.map((point) => ({ step: point.step, value: pick(point) })),
  });
  const names = [...new Set(points.flatMap(({ losses }) => Object.keys(losses)))];
  const losses = names.map((name) => series(name, (point) => point.losses[name] ?? Number.NaN));
  const rate = [series('learning rate', ({ lr }) => lr)];
  return section(
    `${title}: curves`,
    html`<div class="charts">
    ${lineChart({ id: `losses-${index}`, title: 'Losses, summed over the images of a step', series: losses, format: significant })}
    ${lineChart({ id: `rate-${index}`, title: 'Learning rate', series: rate, format: significant })}
  </div>`,
  );
}

/** Three digits, no trailing zeros. */
const significant = (value: number): string => String(Number(value.toPrecision(3)));

function proposals({ proposals: quality }: RunSummary): Html {
  return section(
    'Mask proposals',
    facts([
      ['IoU of each object with its best proposal, mean', quality.meanBestIoU.toFixed(3)],
      ['Objects covered at IoU .50', `${percent(100 * quality.recall50)} %`],
      ['Objects covered at IoU .70', `${percent(100 * quality.recall70)} %`],
      ['Upper bound of mAP50', `${percent(quality.upperBoundMAP50)} %`],
      ['Proposals of an image, mean', quality.perImage.toFixed(1)],
      ['Time for an image', `${quality.secondsPerImage.toFixed(2)} s`],
    ]),
  );
}

const totalSeconds = (seconds: RunSummary['seconds']): number => Object.values(seconds).reduce((a, b) => a + b, 0);

function stages({ seconds }: RunSummary): Html {
  const longest = Math.max(...Object.values(seconds), Number.MIN_VALUE);
  const total = Math.max(totalSeconds(seconds), Number.MIN_VALUE);
  return tableSection(
    'Time of the stages',
    `${duration(totalSeconds(seconds))} in all`,
    html`<table class="bars">
    <thead><tr><th scope="col">Stage</th><td></td><th scope="col">Time</th><th scope="col">Share</th></tr></thead>
    <tbody>
      ${Object.entries(seconds).map(
        ([
          stage,
          time,
        ]) => html`<tr><th scope="row">${stage}</th><td><span class="bar" style="width:${((100 * time) / longest).toFixed(1)}%"></span></td><td>${stageTime(time)}</td><td>${percent((100 * time) / total)} %</td></tr>
      `,
      )}
    </tbody>
  </table>`,
  );
}

function stageTime(seconds: number): string {
  if (seconds === 0) return 'done before';
  return seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

function machine({ adapter, peakBytes }: RunSummary): Html {
  return section(
    'Adapter and memory',
    facts([
      ['Driver', adapter.driver],
      ['Why this driver', adapter.reason],
      ['Adapter', adapter.description || adapter.device],
      ['Vendor and architecture', [adapter.vendor, adapter.architecture].filter(Boolean).join(', ')],
      ['Subgroups', adapter.subgroupSize > 0 ? `${adapter.subgroupSize} invocations` : 'none'],
      ['Largest GPU memory in use', gibibytes(peakBytes)],
    ]),
  );
}

function skipped({ skipped: images }: RunSummary): Html {
  const list = html`<ul class="skipped">${images.map((reason) => html`<li>${reason}</li>`)}</ul>`;
  return section('Skipped images', images.length === 0 ? html`None: every image was used.` : list);
}
