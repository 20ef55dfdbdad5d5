/** How packages are installed: the pnpm of the machine if it is ours, else through npx. Plain JavaScript without dependencies. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PNPM = 'pnpm@10';
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** npm and pnpm want a home to write to: where there is none, a folder of the project stands in for it. */
function homeForInstallers() {
  try {
    accessSync(homedir(), constants.W_OK);
    return {};
  } catch {
    const settings =
      process.env.NPM_CONFIG_USERCONFIG ?? process.env.npm_config_userconfig ?? path.join(homedir(), '.npmrc');
    const home = path.join(root, '.cache/home');
    mkdirSync(home, { recursive: true });
    return { HOME: home, npm_config_userconfig: settings, npm_config_cache: path.join(home, '.npm') };
  }
}

/**
 * The command that has pnpm do something, for `spawnSync` and its kin.
 * @param {readonly string[]} args
 */
export function pnpmCommand(args) {
  // On Windows pnpm and npx are command files, which need a shell.
  const shell = process.platform === 'win32';
  // Without a terminal pnpm must not ask whether it may replace node_modules.
  const env = { ...process.env, npm_config_confirm_modules_purge: 'false', ...homeForInstallers() };
  const own = spawnSync('pnpm', ['--version'], { cwd: root, shell, env, encoding: 'utf8' });
  return own.status === 0 && own.stdout.startsWith('10.')
    ? { label: 'pnpm', command: 'pnpm', args: [...args], options: { shell, env } }
    : { label: `${PNPM} through npx`, command: 'npx', args: ['-y', PNPM, ...args], options: { shell, env } };
}
