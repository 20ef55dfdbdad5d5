/** The frame of a page and its sections. */
import { type Html, html } from './html.ts';
import { style } from './style.ts';

/** A whole document, without script; it loads nothing but pictures beside it. */
export function pageHtml(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>
`.text;
}

export const section = (title: string, content: Html, note?: string): Html => html`
<section aria-label="${title}">
  <h2>${title}</h2>
  ${note && html`<p class="note">${note}</p>`}
  ${content}
</section>`;

/** A section of a table, which scrolls by itself where it is wider than the screen, also with the keyboard. */
export const tableSection = (title: string, note: string, content: Html): Html =>
  section(
    title,
    html`<div class="scroll" role="region" aria-label="${title}, table" tabindex="0">${content}</div>`,
    note,
  );

/** Terms and their values. */
export const facts = (entries: readonly (readonly [string, string])[]): Html =>
  html`<dl class="facts">${entries.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
