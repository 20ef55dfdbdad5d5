/** Reads the guides and READMEs. */
import { spawnSync } from 'node:child_process';
import { root } from '@cim/docs/reference/public-api';

/** Paths, below the project's folder, of the Markdown files that belong to the project. */
export function markdownFiles(): string[] {
  const { stdout } = spawnSync('git', ['ls-files', '--cached', '*.md'], { cwd: root, encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean);
}

/** Contents of the fenced blocks of these languages, in order. */
export const codeBlocks = (markdown: string, languages: readonly string[]): string[] =>
  [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, language]) => languages.includes(language))
    .map(([, , code]) => code);
