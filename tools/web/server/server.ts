/** The web server of `cim serve`: answers GET, to the pages that it gave out, with what is in the folders named. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { basename, dirname } from 'node:path';
import { ReportedError } from '@cim/runtime/errors';
import send from 'send';
import { ConfigError, reasonOf } from '../../errors.ts';
import { followRun } from './follow.ts';
import { refusal } from './guard.ts';
import type { Resource, Resources } from './resources.ts';

/** Nothing comes from elsewhere; masks and pictures that pages make themselves are `blob:` and `data:`. */
const PAGE_POLICY = [
  "default-src 'self'",
  "img-src 'self' blob: data:",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
/** Of files in the folders, a report for example: what they hold must not act as a page of ours. */
const FILE_POLICY = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'";

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': PAGE_POLICY,
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
};

export interface ServeOptions {
  /** 0: any free one. */
  readonly port: number;
  /** 127.0.0.1: this machine only. */
  readonly host: string;
}

export interface WebServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws ConfigError when it cannot listen there. */
export async function serve(resources: Resources, { port, host }: ServeOptions): Promise<WebServer> {
  const server = createServer((request, response) => {
    answer(resources, host, request, response).catch((error: unknown) => fail(response, 500, reasonOf(error)));
  });
  await listen(server, port, host);
  const { port: actual } = server.address() as AddressInfo;
  const named = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${host === '0.0.0.0' || host === '::' ? 'localhost' : named}:${actual}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const [problem, remedy] =
      code === 'EADDRINUSE'
        ? [`Port ${port} of ${host} is in use.`, `Choose another one, as --port ${port + 1}, or 0 for any free one.`]
        : code === 'EACCES'
          ? [`Port ${port} needs more rights than this user has.`, 'Choose one above 1023 with --port.']
          : [`Cannot listen on ${host}: ${reasonOf(cause)}.`, 'Give an address of this machine with --host.'];
    throw new ConfigError(problem, remedy, { cause });
  }
}

async function answer(
  resources: Resources,
  host: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  const { method, headers, url = '/' } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return fail(response, 405, `${method} is not answered.`);
  }
  const refused = refusal(headers, host, hostname());
  if (refused !== null) return fail(response, 403, refused);
  const words = wordsOf(url);
  if (!words) return fail(response, 400, 'The address is malformed.');
  const [area, key, last, ...more] = words;
  const source = resources.source(key);
  if (area === 'api' && source?.kind === 'run' && last === 'events' && more.length === 0) {
    return followRun(source.folder, request, response);
  }
  try {
    const found = await resources.get(words);
    if (found) return reply(found, request, response);
    fail(response, 404, 'There is nothing at this address.');
  } catch (error) {
    if (!(error instanceof ReportedError)) throw error;
    fail(response, 422, error.message, error.remedy);
  }
}

/**
 * The decoded words of an address; null when it is malformed, or a word would be a way out of a folder. What is compared
 * with known names needs no such check, but nobody shall have to know which words are.
 */
function wordsOf(url: string): string[] | null {
  const [path] = url.split(/[?#]/);
  if (!path.startsWith('/')) return null;
  try {
    const words = path.slice(1).split('/').map(decodeURIComponent);
    return words.some((word) => word === '.' || word === '..' || /[/\\\0]/.test(word)) ? null : words;
  } catch {
    return null;
  }
}

function reply(found: Resource, request: IncomingMessage, response: ServerResponse): void {
  if ('file' in found) {
    if (found.fromUser) response.setHeader('Content-Security-Policy', FILE_POLICY);
    const options = { root: dirname(found.file), dotfiles: 'allow', cacheControl: false, index: false } as const;
    send(request, encodeURIComponent(basename(found.file)), options)
      .on('error', ({ status }: { status?: number }) => fail(response, status ?? 500, 'The file cannot be read.'))
      .pipe(response);
    return;
  }
  const { type, body } = found;
  const etag = `"${createHash('sha1').update(body).digest('base64url')}"`;
  response.setHeader('ETag', etag);
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(request.method === 'HEAD' ? undefined : body);
}

function fail(response: ServerResponse, status: number, error: string, remedy?: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error, remedy }));
}
