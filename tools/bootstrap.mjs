/**
 * Sets the project up on a machine that has only git and Node, then runs what was asked for:
 *
 *     node tools/bootstrap.mjs start|test|cim [arguments]
 *
 * Plain JavaScript without dependencies: it runs before anything is installed. What it did is kept in a stamp file, so
 * that a second run goes straight to work.
 */
import { spawn } from 'node:child_process';
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
async function step(label, command, args, { shell = false, env = process.env } = {}) {
  process.stderr.write(`${label} … `);
  const begin = performance.now();
  const { status, stdout, output } = await run(command, args, { shell, env });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  if (status === 0) {
    process.stderr.write(`${seconds} s\n`);
    return stdout.trim();
  }
  process.stderr.write(`failed after ${seconds} s\n`);
  return fail(output, `The step was: ${[command, ...args].join(' ')}`);
}

/** Runs a program in the project's folder to its end. */
function run(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const text = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) {
      child[stream].setEncoding('utf8').on('data', (chunk) => {
        text[stream] += chunk;
      });
    }
    const done = (status, ...notes) => {
      const output = [...notes, text.stdout.trim(), text.stderr.trim()].filter(Boolean).join('\n');
      resolve({ status, stdout: text.stdout, output });
    };
    child.on('error', (error) => done(null, error.message));
    child.on('close', (status, signal) => done(status, signal && `ended by ${signal}`));
  });
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

async function installPackages() {
  const { label, command, args, options } = pnpmCommand(['install', '--frozen-lockfile']);
  await step(`Installing packages with ${label}`, command, args, options);
}

/** Finds what can run kernels here, downloading lavapipe where it is the best there can be. Null when nothing can. */
async function findGpu() {
  const found = JSON.parse(
    await step('Looking for a GPU', process.execPath, ['--import', 'tsx', inRoot('tools/cli/find-gpu.ts')]),
  );
  console.error(
    found.driver
      ? `  ${found.driver}: ${found.description} (${found.reason})`
      : `  ${found.message}\n  ${found.remedy}`,
  );
  return found.driver ? { driver: found.driver, folder: found.folder } : null;
}

/** Draws the data set of a demo without arguments. Should it fail, the demo itself does so again and says why. */
const drawDemo = () =>
  run(process.execPath, ['--import', 'tsx', inRoot('tools/demo-data/draw.ts')], { env: process.env });

/** @param drawing whether the demo is to follow as it is: its data set is drawn while a driver is fetched. */
async function setUp(drawing) {
  const packages = fingerprint();
  const stamp = readStamp();
  const installed = stamp.packages === packages;
  if (installed && stamp.gpu && existsSync(stamp.gpu.folder)) return;
  if (!installed) await installPackages();
  const drawn = drawing ? drawDemo() : null;
  // Without an adapter nothing is noted: the next run looks again, and `cim doctor` can say what is missing.
  const gpu = await findGpu();
  await drawn;
  writeStamp({ packages, gpu });
}

requireNode();
const [name, ...args] = process.argv.slice(2);
const job = Object.hasOwn(JOBS, name ?? '')
  ? JOBS[name]
  : fail(`Unknown job "${name ?? ''}".`, `It must be one of ${Object.keys(JOBS).join(', ')}.`);
await setUp(name === 'start' && args.length === 0);
const { register } = await import('tsx/esm/api');
register();
const file = inRoot(job.file);
process.argv = [process.execPath, file, ...job.before, ...args];
await import(pathToFileURL(file).href);
