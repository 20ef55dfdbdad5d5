/** Node and Deno: each test file is a process of its own, so that a crash is the failure of one file. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { crash, type Report } from './outcome.ts';
import { ADAPTER, FILE_TIMEOUT, type Platform, type PlatformName, PlatformUnavailableError } from './platform.ts';

const tests = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const entry = path.join(tests, 'runner', 'process-entry.ts');

interface Ended {
  readonly output: string;
  /** How it ended, where that was not well. */
  readonly failure: string;
}

/** Runs a program to its end, which its tests' driver reaches as $CIM_DRIVER. */
function runProgram(program: readonly string[], driver: string): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(program[0], program.slice(1), {
      cwd: path.dirname(tests),
      env: { ...process.env, CIM_DRIVER: driver, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: FILE_TIMEOUT,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', ({ message }) => resolve({ output, failure: message }));
    child.on('close', (code, signal) => {
      const failure = signal
        ? `The process was ended by ${signal}.`
        : code
          ? `The process ended with code ${code}.`
          : '';
      resolve({ output, failure });
    });
  });
}

/** Apart: what a process printed, and what it said behind the record separator. */
function readOutput(output: string): { text: string; result: unknown } {
  const [before, after] = output.split('\n\x1e');
  if (after === undefined) return { text: before.trim(), result: undefined };
  const end = after.indexOf('\n');
  return { text: (before + after.slice(end)).trim(), result: JSON.parse(after.slice(0, end)) };
}

async function openProcesses(
  name: PlatformName,
  version: string,
  program: string[],
  driver: string,
): Promise<Platform> {
  const start = async (file: string, ...names: string[]) => {
    const { output, failure } = await runProgram([...program, entry, path.join(tests, file), ...names], driver);
    return { ...readOutput(output), failure };
  };
  const call = async (file: string, what: string): Promise<unknown> => {
    const { text, result, failure } = await start(file, what);
    if (failure || result === undefined) throw new Error(`${text}\n${failure || 'It returned nothing.'}`);
    return result;
  };
  const adapter = await call(...ADAPTER).catch((cause: Error) => {
    const remedy = 'Ask for another driver, or leave the platform out.';
    throw new PlatformUnavailableError(`${name} ${version} finds no GPU.\n${cause.message}`, remedy, { cause });
  });
  return {
    name,
    description: `${version}: ${adapter}`,
    serial: false,
    async run(file) {
      const { text, result, failure } = await start(file);
      const report = result as Report | undefined;
      if (!report || failure) return crash(`${text}\n${report?.errors ?? ''}\n${failure || 'No test was run.'}`);
      return report.failed > 0 ? { ...report, errors: `${text}\n\n${report.errors}` } : report;
    },
    call,
    close: async () => {},
  };
}

/** Node with Dawn. @throws PlatformUnavailableError when no adapter of the driver can be had. */
export const openNode = (driver: string): Promise<Platform> =>
  openProcesses('node', process.versions.node, [process.execPath, '--import', 'tsx'], driver);

/** Deno with its own WebGPU. @throws PlatformUnavailableError when no adapter of the driver can be had. */
export async function openDeno(driver: string): Promise<Platform> {
  const require = createRequire(import.meta.url);
  // The package's own start script would outlive a time-out: the program itself is run.
  const { runInstall } = require('deno/install_api.cjs') as { runInstall(): string };
  const { version } = require('deno/package.json') as { version: string };
  return openProcesses('deno', version, [runInstall(), 'run', '--allow-all', '--no-check', '--no-lock'], driver);
}
