/** Reads just enough WGSL to bind buffers by name, and rewrites it so that defects which a driver hides are seen. */
import { ShapeError } from '../errors.ts';

/** A buffer that the shader declares. */
export interface Declaration {
  /** The variable's name. */
  readonly name: string;
  /** Its `@group`. */
  readonly group: number;
  /** Its `@binding`. */
  readonly binding: number;
  /** Its address space, or of a storage buffer its access. */
  readonly kind: 'uniform' | 'read' | 'read_write';
  /** The type as written, as `array<vec4f>`. */
  readonly type: string;
}

/** Comments become spaces: every character stays where it is. */
const withoutComments = (code: string): string =>
  code.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));

const DECLARATION =
  /((?:@\w+\s*\([^)]*\)\s*)+)var\s*<\s*(storage|uniform)\s*(?:,\s*(\w+)\s*)?>\s*(\w+)\s*:\s*([^;]+);/g;

/** The storage and uniform buffers of a module. @throws ShapeError where a group or binding is not a number. */
export function declarations(code: string): Declaration[] {
  return [...withoutComments(code).matchAll(DECLARATION)].map(([, attributes, space, access, name, type]) => {
    const numbered = (attribute: string): number => {
      const value = new RegExp(`@${attribute}\\s*\\(\\s*(\\d+)[iu]?\\s*,?\\s*\\)`).exec(attributes)?.[1];
      if (value === undefined)
        throw new ShapeError(`The ${attribute} of ${name} is not a number: ${attributes.trim()}.`);
      return Number(value);
    };
    return {
      name,
      group: numbered('group'),
      binding: numbered('binding'),
      kind: space === 'uniform' ? 'uniform' : access === 'read_write' ? 'read_write' : 'read',
      type: type.trim(),
    };
  });
}

/** The compute entry points. */
export const entryPoints = (code: string): string[] =>
  [...withoutComments(code).matchAll(/@compute\b[^{;]*?\bfn\s+(\w+)/g)].map(([, name]) => name);

/** Whether the shader asks for the length of the binding: it must then be bound as long as its data. */
export const measures = (code: string, name: string): boolean =>
  new RegExp(`arrayLength\\s*\\(\\s*&\\s*${name}\\b`).test(withoutComments(code));

/** The end of what opens at `start`: the place of its closing bracket. */
function closing(code: string, start: number, [open, close]: string): number {
  let depth = 0;
  for (let i = start; i < code.length; i++) {
    if (code[i] === open) depth++;
    else if (code[i] === close && --depth === 0) return i;
  }
  return -1;
}

/** Splits at commas that are in no brackets. */
function parts(list: string): string[] {
  const found = [''];
  let depth = 0;
  for (const character of list) {
    if ('(<['.includes(character)) depth++;
    if (')>]'.includes(character)) depth--;
    if (character === ',' && depth === 0) found.push('');
    else found[found.length - 1] += character;
  }
  return found.filter((part) => part.trim() !== '');
}

/**
 * The shader with every index into a run-time sized array clamped to the binding. What a driver does to an index beyond
 * differs: some clamp it, some read zero and drop writes, which may look right. Clamped, it meets the guard zone.
 */
export function clampIndices(code: string): string {
  let text = withoutComments(code);
  for (const { name, type } of declarations(code)) {
    const declared = new RegExp(`\\b(?:let|const|var(?:\\s*<[^>]*>)?)\\s+${name}\\b|[(,]\\s*${name}\\s*:`, 'g');
    const shadowed = [...text.matchAll(declared)].length > 1;
    if (shadowed || !/^array\s*</.test(type) || parts(type.slice(type.indexOf('<') + 1, -1)).length > 1) continue;
    text = clampOne(text, name);
  }
  return text;
}

function clampOne(text: string, name: string): string {
  const access = new RegExp(`(?<![.\\w])${name}\\s*\\[`, 'g');
  let result = '';
  let done = 0;
  for (let match = access.exec(text); match; match = access.exec(text)) {
    const open = access.lastIndex - 1;
    const end = closing(text, open, '[]');
    if (end < 0) break;
    const index = clampOne(text.slice(open + 1, end), name);
    result += `${text.slice(done, open + 1)}min(u32(${index}), arrayLength(&${name}) - 1u)`;
    done = end;
    access.lastIndex = end;
  }
  return result + text.slice(done);
}

const BUILTINS = ['local_invocation_id', 'local_invocation_index', 'global_invocation_id', 'workgroup_id'] as const;

/**
 * The shader with the invocations of a workgroup, and the workgroups of a dispatch, in reverse order: what depends on the
 * order that a driver happens to run them in changes. Undefined where the entry point takes its builtins in a struct, or
 * knows of subgroups.
 */
export function reverseInvocations(code: string, entryPoint: string): string | undefined {
  const text = withoutComments(code);
  const head = new RegExp(`\\bfn\\s+${entryPoint}\\s*\\(`).exec(text);
  if (!head || /subgroup/.test(text)) return undefined;
  const open = head.index + head[0].length - 1;
  const end = closing(text, open, '()');
  const sizeAt = text.lastIndexOf('@workgroup_size', head.index);
  if (end < 0 || sizeAt < 0) return undefined;
  const sizeOpen = text.indexOf('(', sizeAt);
  const sizes = parts(text.slice(sizeOpen + 1, closing(text, sizeOpen, '()'))).map((size) => `u32(${size.trim()})`);
  const [x, y = '1u', z = '1u'] = sizes;
  const found: Partial<Record<(typeof BUILTINS)[number], string>> = {};
  let groups: string | undefined;
  const parameters = parts(text.slice(open + 1, end)).map((parameter) => {
    const [, builtin, name] = /@builtin\s*\(\s*(\w+)\s*,?\s*\)\s*(\w+)/.exec(parameter) ?? [];
    if (builtin === 'num_workgroups') groups = name;
    if (!(BUILTINS as readonly string[]).includes(builtin)) return builtin ? parameter : undefined;
    found[builtin as (typeof BUILTINS)[number]] = name;
    return parameter.replace(new RegExp(`\\b${name}(?=\\s*:)`), `${name}_forward`);
  });
  if (parameters.includes(undefined)) return undefined;
  if (!groups) {
    groups = 'harness_workgroups';
    parameters.push(`@builtin(num_workgroups) ${groups}: vec3u`);
  }
  const last: Record<(typeof BUILTINS)[number], string> = {
    local_invocation_id: `vec3u(${x}, ${y}, ${z}) - 1u`,
    local_invocation_index: `${x} * ${y} * ${z} - 1u`,
    workgroup_id: `${groups} - 1u`,
    global_invocation_id: `${groups} * vec3u(${x}, ${y}, ${z}) - 1u`,
  };
  const lines = BUILTINS.flatMap((name) =>
    found[name] ? `let ${found[name]} = ${last[name]} - ${found[name]}_forward;` : [],
  );
  const body = text.indexOf('{', end);
  return `${text.slice(0, open + 1)}${parameters.join(',')}${text.slice(end, body + 1)} ${lines.join(' ')}${text.slice(body + 1)}`;
}

/** The WGSL for another run: indices clamped, and invocations in reverse order where that can be told from the text. */
export function rewritten(code: string, entryPoint: string): string {
  const clamped = clampIndices(code);
  return reverseInvocations(clamped, entryPoint) ?? clamped;
}
