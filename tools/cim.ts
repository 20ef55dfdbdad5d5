/** The command line: every file of commands/ is a command and registers itself. */
import { readdirSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { reportError } from './cli/errors.ts';
import { addGlobalOptions } from './cli/options.ts';

interface CommandModule {
  register(program: Command): void;
}

const names = readdirSync(new URL('commands/', import.meta.url))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort();

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };
const program = new Command('cim')
  .version(version)
  .description('Complete Instances Mining: instance segmentation from image-level labels, on WebGPU.')
  .showHelpAfterError('Add --help to see what the command takes.')
  .addHelpText('after', '\nA command explains itself: cim COMMAND --help');
addGlobalOptions(program);

// A named command is the only one worth loading; the overview needs them all.
const named = process.argv.slice(2).find((argument) => names.includes(argument));
for (const name of named ? [named] : names) {
  const { register } = (await import(`./commands/${name}.ts`)) as CommandModule;
  register(program);
}

try {
  if (process.argv.length === 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  reportError(error, { debug: process.argv.includes('--debug') });
  process.exitCode = 1;
}
