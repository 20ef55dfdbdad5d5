/**
 * Sets the project up on a machine that has only git and Node, then runs what was asked for:
 *
 *     node tools/bootstrap.mjs start|test|cim [arguments]
 *
 * Plain JavaScript without dependencies: it runs before anything is installed. What it did is kept in a stamp file, so
 * that a second run goes straight to work.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { pnpmCommand } from './pnpm.mjs';

const OLDEST_NODE = [20, 11];
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const stampFile = path.join(root, 'node_modules', '.cim-setup.json');
const inRoot = (file) => path.join(root, file);

const JOBS = {
  start: { file: 'tools/cim.ts', before: ['demo'] },
  cim: { file: 'tools/cim.ts', before: [] },
  test: { file: 'test/run.ts', before: [] },
};

function fail(message, remedy) {
  console.error(`${message}\n${remedy}`);
  process.exit(1);
}

/** Runs a step of the set-up; its output is shown only when it fails. */
function step(label, command, args, { shell = false, env = process.env } = {}) {
  process.stderr.write(`${label} … `);
  const begin = performance.now();
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    env,
    shell,
    encoding: 'utf8',
  });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  if (status === 0) {
    process.stderr.write(`${seconds} s\n`);
    return stdout.trim();
  }
  process.stderr.write(`failed after ${seconds} s\n`);
  const output = [error?.message, signal && `ended by ${signal}`, stdout?.trim(), stderr?.trim()]
    .filter(Boolean)
    .join('\n');
  return fail(output, `The step was: ${[command, ...args].join(' ')}`);
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  fail(`This is Node ${process.versions.node}.`, `Install Node ${OLDEST_NODE.join('.')} or newer.`);
}

/** Changes with whatever the installed packages depend on. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.version} ${process.platform} ${process.arch}`);
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json']) hash.update(readFileSync(inRoot(file)));
  return hash.digest('hex');
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

function writeStamp(stamp) {
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(`${stampFile}.${process.pid}`, JSON.stringify(stamp));
  renameSync(`${stampFile}.${process.pid}`, stampFile);
}

function installPackages() {
  const { label, command, args, options } = pnpmCommand(['install', '--frozen-lockfile']);
  step(`Installing packages with ${label}`, command, args, options);
}

/** Finds what can run kernels here, downloading lavapipe where it is the best there can be. Null when nothing can. */
function findGpu() {
  const found = JSON.parse(
    step('Looking for a GPU', process.execPath, ['--import', 'tsx', inRoot('tools/cli/find-gpu.ts')]),
  );
  console.error(
    found.driver
      ? `  ${found.driver}: ${found.description} (${found.reason})`
      : `  ${found.message}\n  ${found.remedy}`,
  );
  return found.driver ? { driver: found.driver, folder: found.folder } : null;
}

function setUp() {
  const packages = fingerprint();
  const stamp = readStamp();
  const installed = stamp.packages === packages;
  if (installed && stamp.gpu && existsSync(stamp.gpu.folder)) return;
  if (!installed) installPackages();
  // Without an adapter nothing is noted: the next run looks again, and `cim doctor` can say what is missing.
  writeStamp({ packages, gpu: findGpu() });
}

requireNode();
const [name, ...args] = process.argv.slice(2);
const job = Object.hasOwn(JOBS, name ?? '')
  ? JOBS[name]
  : fail(`Unknown job "${name ?? ''}".`, `It must be one of ${Object.keys(JOBS).join(', ')}.`);
setUp();
const { register } = await import('tsx/esm/api');
register();
const file = inRoot(job.file);
process.argv = [process.execPath, file, ...job.before, ...args];
await import(pathToFileURL(file).href);
