/** A contestant as the comparing process sees it: asked one thing at a time, and ended when it takes too long. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { DriverChoice } from '@cim/runtime/platform/driver';
import type { Reply, Request } from '../peers/contestant.ts';

/** How a contestant is started: a module that serves requests over IPC, or a Python script that reads them as lines. */
export interface Entrant {
  readonly id: string;
  readonly title: string;
  readonly version?: string;
  readonly file: URL;
  /** What runs the file where that is a script in Python. */
  readonly python?: string;
}

export interface Surroundings {
  readonly driver: DriverChoice;
  readonly environment: Readonly<Record<string, string>>;
  /** Seconds in which the library must load and open its adapter. */
  readonly openLimit: number;
}

/** The contestant crashed, took too long or said that something is wrong. */
export class ContenderError extends Error {}

/** What a crashed process said last, bytes. */
const LAST_WORDS = 2000;

interface Line {
  readonly child: ChildProcess;
  readonly send: (request: Request) => void;
  lastWords: string;
}

export class Contender {
  readonly entrant: Entrant;
  readonly #surroundings: Surroundings;
  #line: Line | undefined;
  #settle: ((reply: Reply) => void) | undefined;
  /** Why it cannot be opened: it is not tried twice. */
  #unfit: ContenderError | undefined;

  constructor(entrant: Entrant, surroundings: Surroundings) {
    this.entrant = entrant;
    this.#surroundings = surroundings;
  }

  /**
   * Starts it where it does not run, and has it open its adapter.
   * @throws ContenderError, also at every later call when that failed.
   */
  async open(): Promise<void> {
    if (this.#unfit) throw this.#unfit;
    if (this.#line) return;
    this.#line = this.#start();
    try {
      await this.ask({ type: 'open', driver: this.#surroundings.driver }, this.#surroundings.openLimit);
    } catch (error) {
      this.end();
      throw (this.#unfit = error as ContenderError);
    }
  }

  /** @throws ContenderError. Past `limit` seconds, or when it crashes, it has to be opened anew. */
  async ask<Answer>(request: Request, limit: number): Promise<Answer> {
    const line = this.#line;
    if (!line) throw new ContenderError('It does not run.');
    const reply = await new Promise<Reply>((resolve) => {
      const timer = setTimeout(() => {
        resolve({ error: `It did not ${request.type} within ${limit} s.` });
        this.end();
      }, 1000 * limit);
      this.#settle = (reply) => {
        clearTimeout(timer);
        resolve(reply);
      };
      line.send(request);
    });
    this.#settle = undefined;
    if ('error' in reply) throw new ContenderError(reply.error);
    return reply.value as Answer;
  }

  /** Ends its process. */
  end(): void {
    this.#line?.child.kill('SIGKILL');
    this.#line = undefined;
  }

  #start(): Line {
    const env = { ...process.env, ...this.#surroundings.environment };
    const { file, python } = this.entrant;
    const line = python === undefined ? this.#startNode(file, env) : this.#startPython(python, file, env);
    const { child } = line;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data) => {
        line.lastWords = (line.lastWords + data).slice(-LAST_WORDS);
      });
    }
    const gone = (reason: string): void => {
      if (this.#line !== line) return;
      this.#line = undefined;
      this.#settle?.({ error: `${reason} ${lastLine(line.lastWords)}`.trim() });
    };
    child.on('error', ({ message }) => gone(`It cannot be started: ${message}.`));
    child.on('exit', (code, signal) => gone(`It crashed (${signal ?? `exit code ${code}`}).`));
    return line;
  }

  #startNode(file: URL, env: NodeJS.ProcessEnv): Line {
    const child = fork(fileURLToPath(file), {
      env,
      execArgv: ['--import', import.meta.resolve('tsx')],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child.on('message', (reply: Reply) => this.#settle?.(reply));
    return { child, send: (request) => child.send(request, () => {}), lastWords: '' };
  }

  #startPython(python: string, file: URL, env: NodeJS.ProcessEnv): Line {
    const child = spawn(python, [fileURLToPath(file)], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    // Writing to a process that is gone; its end is reported by itself.
    child.stdin.on('error', () => {});
    createInterface({ input: child.stdout }).on('line', (text) => {
      if (text.startsWith('{')) this.#settle?.(JSON.parse(text) as Reply);
    });
    return { child, send: (request) => child.stdin.write(`${JSON.stringify(request)}\n`), lastWords: '' };
  }
}

/** The line that says most: the last one of an error, or the last one that is no warning; none of a stack. */
function lastLine(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !/^at /.test(line));
  const found = lines.findLast((line) => /error|exception|terminate/i.test(line));
  return found ?? lines.findLast((line) => line !== '' && !/^warning/i.test(line)) ?? '';
}
