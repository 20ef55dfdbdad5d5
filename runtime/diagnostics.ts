/** What is known of a defect in WGSL, shaped like a GPUCompilationMessage. */
export interface Diagnostic {
  /** What the compiler says. */
  readonly message: string;
  /** From 1; 0 where the place is not known. */
  readonly lineNum: number;
  /** The column, from 1. */
  readonly linePos: number;
  /** Columns that it is about. */
  readonly length?: number;
}

/** One line of WGSL with its number and, under it, carets from column `position` (from 1) on. */
export function quoteLine(code: string, line: number, position = 0, length = 1): string {
  const text = code.split('\n')[line - 1] ?? '';
  const head = `${String(line).padStart(5)} | `;
  if (position < 1) return head + text;
  // Tabs stay tabs, so that the caret is under its column however wide they are shown.
  const before = text.slice(0, position - 1).replace(/[^\t]/g, ' ');
  const carets = '^'.repeat(Math.max(1, Math.min(length, text.length - position + 1)));
  return `${head}${text}\n${' '.repeat(head.length - 2)}| ${before}${carets}`;
}

/** Every diagnostic with the line of `code` it is about. */
export const quoteDiagnostics = (code: string, diagnostics: readonly Diagnostic[]): string =>
  diagnostics
    .map(({ message, lineNum, linePos, length }) =>
      lineNum > 0
        ? `${lineNum}:${linePos} ${headline(message)}\n${quoteLine(code, lineNum, linePos, length)}`
        : headline(message),
    )
    .join('\n');

/** naga repeats place and line in its message; what it says is in the first line. */
const headline = (message: string): string => message.trim().split('\n')[0];

/** The compiler's errors of a module, each with its line; empty where it has none. */
export async function compilationErrors(module: GPUShaderModule, code: string): Promise<string> {
  const { messages } = await module.getCompilationInfo();
  return quoteDiagnostics(
    code,
    [...messages].filter(({ type }) => type === 'error'),
  );
}

/**
 * What a pipeline was refused for, with the line of WGSL that it is about: the binding that the message names, else the
 * entry point. Messages of pipelines have no places.
 */
export function quotePipelineError(code: string, message: string, entryPoint = '\\w+'): string {
  const [, group, binding] = /group\W+(\d+)\W+binding\W+(\d+)/i.exec(message) ?? [];
  const attribute = (name: string, value: string): string => `(?=[^;\\n]*@${name}\\s*\\(\\s*${value}[iu]?\\s*\\))`;
  const place = binding
    ? new RegExp(`${attribute('group', group)}${attribute('binding', binding)}@`)
    : new RegExp(`\\bfn\\s+${entryPoint}\\s*\\(|@compute\\b`);
  const at = place.exec(code)?.index ?? -1;
  const line = at < 0 ? 0 : code.slice(0, at).split('\n').length;
  return line > 0 ? `${message.trim()}\n${quoteLine(code, line)}` : message.trim();
}
