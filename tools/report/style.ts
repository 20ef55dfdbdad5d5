import { Html } from './html.ts';

/** What charts need, also as pictures of their own: colours for light and dark screens, axes, lines. */
export const chartStyle = new Html(`
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #14171c; --muted: #5a6270; --rule: #e0e4ea; --accent: #0b6e66;
  --heat: 11 110 102;
  --c1: #2a6fd0; --c2: #0f8a5f; --c3: #b97400; --c4: #6a4fc4; --c5: #d03b3b; --c6: #c2528f; --c7: #5b6b7f; --c8: #2f93a8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #111417; --card: #1a1e23; --ink: #e9ecf0; --muted: #a0a9b5; --rule: #2d333b; --accent: #4cc4b6;
    --heat: 76 196 182;
    --c1: #6aa5f5; --c2: #45bd8d; --c3: #dfa43c; --c4: #a595f2; --c5: #f07f7a; --c6: #e58fbd; --c7: #9fb0c4; --c8: #67c3d6;
  }
}
.axis path { stroke: var(--rule); fill: none; }
.axis text { fill: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.dashed { stroke-dasharray: 2 5; }
${[1, 2, 3, 4, 5, 6, 7, 8].map((i) => `.series-${i} { color: var(--c${i}); }`).join('\n')}
`);

/** The style sheet of the report, for screens and for print. */
export const style = new Html(`${chartStyle.text}* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
}
main, header { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 48px; }
main { padding-bottom: 64px; }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; letter-spacing: -0.02em; }
h2 { margin: 0 0 16px; font-size: 1.2rem; letter-spacing: -0.01em; }
.lead { margin: 8px 0 28px; color: var(--muted); overflow-wrap: anywhere; }
.note { margin: -8px 0 16px; color: var(--muted); font-size: 0.875rem; }
section { margin-top: 20px; padding: 24px; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 16px; margin: 0; }
.tiles div { padding: 16px 20px; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
.tiles dt { color: var(--muted); font-size: 0.875rem; }
.tiles dd { margin: 0; font-size: 1.9rem; font-weight: 650; line-height: 1.25; letter-spacing: -0.02em; }
.tiles div:first-child dd { color: var(--accent); }
.tiles i { margin-left: 4px; font-size: 1.1rem; font-style: normal; font-weight: 500; }
.tiles small { display: block; color: var(--muted); font-size: 0.8rem; font-weight: 400; letter-spacing: 0; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 4px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
thead th { color: var(--muted); font-size: 0.8rem; font-weight: 600; }
tbody th { font-weight: 500; }
th:first-child, tbody th { text-align: left; }
tbody:last-child tr:last-child > * { border-bottom: 0; }
tr.best > * { font-weight: 700; }
tr.aside > * { color: var(--muted); }
tfoot > tr > * { border-top: 2px solid var(--rule); border-bottom: 0; font-weight: 700; }
td.heat { background: rgb(var(--heat) / calc(var(--share) * 0.34)); }
thead tr.groups > * { padding-bottom: 0; border-bottom: 0; color: var(--ink); text-align: center; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 14px 32px; margin: 0; }
.facts dt { color: var(--muted); font-size: 0.8rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.bars td:nth-child(2) { width: 100%; }
.bars td:last-child { color: var(--muted); }
.bar { display: block; min-width: 2px; height: 14px; border-radius: 0 4px 4px 0; background: var(--accent); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 24px; }
figure { margin: 0; }
figcaption { font-size: 0.875rem; }
.chart figcaption { margin-bottom: 8px; color: var(--muted); }
.chart > svg { display: block; width: 100%; height: auto; }
.name { fill: var(--ink); font-size: 13px; }
.mean { fill: var(--accent); opacity: 0.32; }
.whisker { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.dot { fill: var(--accent); stroke: var(--card); stroke-width: 1; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0 0; padding: 0; list-style: none; font-size: 0.8rem; }
.legend svg { width: 18px; height: 4px; margin-right: 6px; vertical-align: middle; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr)); gap: 20px; }
.pictures img { display: block; width: 100%; height: auto; border: 1px solid var(--rule); border-radius: 8px; }
.pictures figcaption { margin-top: 6px; overflow-wrap: anywhere; }
.pictures span { display: block; color: var(--muted); font-size: 0.8rem; }
.skipped { margin: 0; padding-left: 20px; font-size: 0.875rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media print { section { break-inside: avoid; } }
`);
