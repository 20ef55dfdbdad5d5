/** Command lines in guides and READMEs: the command's own parser takes them. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '@cim/docs/reference/public-api';
import { addGlobalOptions } from '@cim/tools/cli/options';
import { Command, CommanderError } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeBlocks, markdownFiles } from './markdown.ts';

const test = suite('commands');

/** Thrown before a command would do anything: its arguments are right. */
class Parsed extends Error {}

/** The commands, which parse and do nothing. */
async function parser(): Promise<Command> {
  const program = new Command('cim').version('0');
  addGlobalOptions(program);
  for (const file of readdirSync(path.join(root, 'tools/commands')).filter((name) => name.endsWith('.ts'))) {
    const { register } = await import(`@cim/tools/commands/${path.basename(file, '.ts')}`);
    register(program);
  }
  const quieten = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    command.commands.forEach(quieten);
  };
  quieten(program);
  program.hook('preAction', () => {
    throw new Parsed();
  });
  return program;
}

/** Arguments of the `cim` commands in a shell block; of a loop's variables the first value. */
function commandLines(block: string): string[][] {
  const variables = new Map([...block.matchAll(/\bfor (\w+) in (\S+)/g)].map(([, name, value]) => [name, value]));
  return block
    .replaceAll(/\\\n/g, ' ')
    .replaceAll(/\$(\w+)/g, (text, name) => variables.get(name) ?? text)
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .flatMap((line) => {
      const [, start, rest] = /^npm (?:run -s cim|(start))(?: --)? ?(.*)$/.exec(line) ?? [];
      if (rest === undefined) return [];
      return [[...(start ? ['demo'] : []), ...rest.split(/\s+/).filter(Boolean)]];
    });
}

for (const file of markdownFiles()) {
  const lines = codeBlocks(readFileSync(path.join(root, file), 'utf8'), ['sh']).flatMap(commandLines);
  if (lines.length === 0) continue;
  test(`${file}: its commands and their options exist`, async () => {
    for (const line of lines) {
      try {
        await (await parser()).parseAsync(line, { from: 'user' });
      } catch (error) {
        if (error instanceof Parsed) continue;
        if (!(error instanceof CommanderError)) throw error;
        if (error.exitCode !== 0) assert.unreachable(`cim ${line.join(' ')}: ${error.message}`);
      }
    }
  });
}

/** Options of other programs, which the guides name. */
const OTHERS = new Set(['--bs', '--iter_size', '--auto-scale-lr', '--eval-only', '--help']);

/** Every option of every command. */
function optionsOf(command: Command): string[] {
  return [...command.options.flatMap(({ long }) => long ?? []), ...command.commands.flatMap(optionsOf)];
}

test('options that texts name exist', async () => {
  const program = await parser();
  const all = new Set(optionsOf(program));
  for (const file of markdownFiles()) {
    const text = readFileSync(path.join(root, file), 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '');
    for (const [, code] of text.matchAll(/`((?:npm run -s cim -- |cim )?[^`]*)`/g)) {
      const [, name] = /^(?:npm run -s cim -- |cim )([a-z]+)/.exec(code) ?? [];
      const command = name === undefined ? undefined : program.commands.find((each) => each.name() === name);
      if (name === undefined ? !code.startsWith('--') : !command) continue;
      const known = command
        ? new Set([...optionsOf(command), ...program.options.flatMap(({ long }) => long ?? [])])
        : all;
      for (const [option] of code.matchAll(/(?<=^|\s)--[a-z][\w-]*/g)) {
        assert.ok(known.has(option) || OTHERS.has(option), `${file}: \`${code}\` names ${option}`);
      }
    }
  }
});

test.run();
