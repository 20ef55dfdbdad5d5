/** What the text of a kernel says about the room it takes on a core. */

/** 32 bit words of a WGSL type. */
export function wordsOfType(type: string): number {
  const array = /^array\s*<(.*),\s*(\d+)u?\s*>$/s.exec(type.trim());
  if (array) return wordsOfType(array[1]) * Number(array[2]);
  const vector = /^vec([234])([hfui]|<(\w+)>)?/.exec(type.trim());
  if (vector) return Math.ceil(Number(vector[1]) / (vector[2] === 'h' || vector[3] === 'f16' ? 2 : 1));
  return 1;
}

const withoutComments = (wgsl: string): string => wgsl.replace(/\/\/[^\n]*|\/\*.*?\*\//gs, '');

export function workgroupBytes(wgsl: string): number {
  const constants = constantsOf(wgsl);
  let bytes = 0;
  for (const [, type] of withoutComments(wgsl).matchAll(/var<workgroup>\s+\w+\s*:\s*([^;]+);/g)) {
    const sized = type.replace(/\b[A-Z]\w*\b/g, (name) => String(constants.get(name) ?? name));
    bytes += 4 * wordsOfType(sized);
  }
  return bytes;
}

const constantsOf = (wgsl: string): Map<string, number> =>
  new Map(
    [...wgsl.matchAll(/\bconst\s+(\w+)(?:\s*:\s*\w+)?\s*=\s*(\d+)u?;/g)].map(([, name, value]) => [
      name,
      Number(value),
    ]),
  );

/** Invocations of a workgroup. */
export function invocations(wgsl: string): number {
  const sizes = /@workgroup_size\(([^)]*)\)/
    .exec(wgsl)![1]
    .split(',')
    .filter((size) => size.trim() !== '');
  return sizes.reduce((product, size) => product * Number.parseInt(size, 10), 1);
}

interface Range {
  readonly first: number;
  readonly last: number;
  readonly words: number;
}

/**
 * 32 bit registers that an invocation needs at least: the most words of variables that are needed at once, each from its
 * declaration to its last use, or to the end of the loop round that use. An estimate: compilers add addresses and
 * intermediate results, and save what is the same for all invocations of a wave.
 */
export function registers(wgsl: string): number {
  const text = withoutComments(wgsl);
  const functions = [...text.matchAll(/\bfn\s+(\w+)\s*\(/g)].map((match) => {
    const open = text.indexOf('{', endOf(text, match.index + match[0].length - 1, '(', ')'));
    return { name: match[1], body: text.slice(open, endOf(text, open, '{', '}') + 1) };
  });
  const vectors = new Map(
    [...text.matchAll(/var<[^>]*>\s+(\w+)\s*:\s*array<(vec[234]\w*)/g)].map(([, name, type]) => [
      name,
      wordsOfType(type),
    ]),
  );
  const needs = new Map(functions.map(({ name, body }) => [name, mostLive(body, vectors)]));
  const main = functions.find(({ name }) => name === 'main')!;
  // Calls are inlined: the deepest helper comes on top.
  const helpers = functions.filter(({ name }) => name !== 'main' && new RegExp(`\\b${name}\\(`).test(main.body));
  return needs.get('main')! + Math.max(0, ...helpers.map(({ name }) => needs.get(name)!));
}

/** The place of the bracket that closes the one at `open`. */
export function endOf(text: string, open: number, opening: string, closing: string): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === opening) depth++;
    else if (text[i] === closing && --depth === 0) return i;
  }
  return text.length - 1;
}

function mostLive(body: string, vectors: ReadonlyMap<string, number>): number {
  const loops = [...body.matchAll(/\b(for|while|loop)\b/g)].map(({ index }) => {
    const head = body.indexOf('(', index);
    const open = body.indexOf('{', body.startsWith('loop', index) ? index : endOf(body, head, '(', ')'));
    return { first: index, last: endOf(body, open, '{', '}') };
  });
  const known = new Map(vectors);
  const ranges: Range[] = [];
  for (const match of body.matchAll(/\b(?:let|var)\s+(\w+)\s*(?::\s*([^=;]+))?(?:=\s*([^;]*))?;/g)) {
    const [whole, name, type, value = ''] = match;
    const words = type ? wordsOfType(type) : wordsOfValue(value, known);
    // What an index gives is an element.
    const element = /^array\s*<(\w+)/.exec(type ?? value.trim());
    if (element) known.set(`${name}[`, wordsOfType(element[1]));
    if (words > 1) known.set(name, words);
    // What the value was made from may end as it begins.
    const first = match.index + whole.length;
    // Of several variables of that name, this one's uses end where the scope round it ends.
    const scope = scopeEnd(body, first);
    let last = -1;
    for (const use of body.slice(first, scope).matchAll(new RegExp(`(?<![.\\w])${name}\\b`, 'g'))) {
      last = first + use.index;
    }
    if (last < 0) continue;
    for (const loop of loops) if (loop.first > first && loop.first < last) last = Math.max(last, loop.last);
    ranges.push({ first, last, words });
  }
  return Math.max(
    0,
    ...ranges.map(({ first }) =>
      ranges.reduce((sum, range) => sum + (range.first <= first && range.last >= first ? range.words : 0), 0),
    ),
  );
}

function scopeEnd(body: string, from: number): number {
  let depth = 0;
  for (let i = from; i < body.length; i++) {
    if (body[i] === '{') depth++;
    else if (body[i] === '}' && --depth < 0) return i;
  }
  return body.length;
}

function wordsOfValue(value: string, known: ReadonlyMap<string, number>): number {
  const made = /^(array\s*<.*?>|vec[234]\w*(<\w+>)?)\s*\(/s.exec(value.trim());
  if (made) return wordsOfType(made[1]);
  if (/^(dot|length|all|any|f32|u32|i32|bool)\(/.test(value.trim())) return 1;
  let words = 1;
  for (const { 0: name, index } of value.matchAll(/(?<![.\w])[a-zA-Z_]\w*\b/g)) {
    const behind = value.slice(index + name.length);
    // A component of a vector is one word; an element of a buffer of vectors is a vector.
    if (/^\s*(\[[^\]]*\])?\.[xyzw]\b/.test(behind)) continue;
    const indexed = /^\s*\[/.test(behind) ? known.get(`${name}[`) : undefined;
    words = Math.max(words, indexed ?? known.get(name) ?? 1);
  }
  return words;
}
