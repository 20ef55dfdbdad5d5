/** Shorter shaders in built JavaScript. */
import { parse } from 'acorn';
import { full } from 'acorn-walk';

/** A comment that ends within the text, the indentation of a line, blank lines. */
const SUPERFLUOUS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*(?=\n)|(?<=\n)\s+/g;

/**
 * JavaScript whose templates of several lines, taken to be WGSL, have lost comments and indentation. Lines stay lines: a
 * comment that goes on behind an inserted value still ends where it did.
 */
export function minifyWgsl(code: string): string {
  const texts: { start: number; end: number }[] = [];
  full(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }), (node) => {
    if (node.type === 'TemplateElement') texts.push(node);
  });
  let result = '';
  let end = 0;
  for (const text of texts.sort((a, b) => a.start - b.start)) {
    const raw = code.slice(text.start, text.end);
    result += code.slice(end, text.start) + (raw.includes('\n') ? raw.replace(SUPERFLUOUS, '') : raw);
    end = text.end;
  }
  return result + code.slice(end);
}
