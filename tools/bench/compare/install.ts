/** The peers are installed when they are first asked for: no other command needs them. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DownloadError } from '../../errors.ts';
import { writeFileAtomic } from '../../formats/atomic.ts';
import { pnpmCommand } from '../../pnpm.mjs';

const folder = fileURLToPath(new URL('../peers', import.meta.url));
const stamp = path.join(folder, 'node_modules', '.installed');

/** Of what is downloaded and of what it becomes on disk. */
const SIZE = '150 MB to download, 600 MB on disk';

/** Changes with the versions wanted. */
const wanted = (): string =>
  createHash('sha256')
    .update(readFileSync(path.join(folder, 'pnpm-lock.yaml')))
    .digest('hex');

/**
 * Installs the peers in the versions of their lock file, unless they are. Install scripts stay off: none is needed, and
 * that of onnxruntime-node fetches GPU libraries of other makers from elsewhere.
 * @throws DownloadError when they cannot be had.
 */
export async function installPeers(say: (message: string) => void): Promise<void> {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted()) return;
  const { devDependencies } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
    devDependencies: Readonly<Record<string, string>>;
  };
  const names = Object.entries(devDependencies).map(([name, version]) => `${name} ${version}`);
  say(`Installing the libraries to compare with into ${path.relative('', folder)}: ${names.join(', ')} (${SIZE}) …`);
  const args = ['install', '--dir', folder, '--ignore-workspace', '--frozen-lockfile', '--ignore-scripts'];
  const { command, args: all, options } = pnpmCommand(args);
  const output = await new Promise<string | undefined>((resolve) => {
    const child = spawn(command, all, { ...options, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
    child.on('error', ({ message }) => resolve(message));
    child.on('close', (code) => resolve(code === 0 ? undefined : text));
  });
  if (output !== undefined) {
    const reason =
      output
        .split('\n')
        .findLast((line) => /ERR|error/i.test(line))
        ?.trim() ?? 'pnpm failed';
    throw new DownloadError(
      `The libraries to compare with cannot be installed: ${reason}`,
      "They come from the npm registry: check the network and npm's registry and proxy settings. `cim bench` without --peers needs none of them.",
    );
  }
  await writeFileAtomic(stamp, wanted());
}
