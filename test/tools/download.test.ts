/** Downloads from a server of this process that misbehaves on request. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { randomArray } from '@cim/runtime/testing';
import { type DownloadOptions, type DownloadRequest, download } from '@cim/tools/data/download';
import { DownloadError, OutputError } from '@cim/tools/errors';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('download');
const folder = temporaryFolder('download');

const SIZE = 700_001;
const content = Buffer.from(randomArray([SIZE], 1, 0, 256).map(Math.floor));
const older = Buffer.from(randomArray([SIZE], 2, 0, 256).map(Math.floor));
const md5 = createHash('md5').update(content).digest('hex');

/** How the server answers its next requests, first to last; the last one stays. */
interface Behaviour {
  readonly body?: Buffer;
  readonly etag?: string | null;
  readonly ranges?: boolean;
  /** Bytes after which the connection is cut. */
  readonly cut?: number;
  /** Sends this much, then nothing. */
  readonly stall?: number;
  readonly status?: number;
  /** What the server claims, whatever it sends. */
  readonly length?: number;
  readonly contentRange?: string;
}
let behaviours: Behaviour[] = [];
const asked: (string | undefined)[] = [];

function answer(request: IncomingMessage, response: ServerResponse): void {
  const {
    body = content,
    etag = '"v1"',
    ranges = true,
    cut,
    stall,
    status,
    length,
    contentRange,
  } = (behaviours.length > 1 ? behaviours.shift() : behaviours[0]) as Behaviour;
  const { range } = request.headers;
  asked.push(range);
  if (etag !== null) response.setHeader('etag', etag);
  if (status !== undefined) {
    response.writeHead(status, { 'retry-after': '0' }).end('no');
    return;
  }
  const condition = request.headers['if-range'];
  const partial = range !== undefined && ranges && (condition === undefined || condition === etag);
  const begin = partial ? Number(/\d+/.exec(range)![0]) : 0;
  if (begin > body.length) {
    response.writeHead(416).end();
    return;
  }
  const rest = body.subarray(begin);
  const whole = contentRange ?? `bytes ${begin}-${body.length - 1}/${body.length}`;
  if (partial) response.setHeader('content-range', whole);
  if (length !== -1) response.setHeader('content-length', length ?? rest.length);
  response.writeHead(partial ? 206 : 200);
  if (cut !== undefined) response.write(rest.subarray(0, cut), () => response.socket?.destroy());
  else if (stall !== undefined) response.write(rest.subarray(0, stall));
  else response.end(rest);
}

const server = createServer(answer);
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
test.after(() => {
  server.closeAllConnections();
  server.close();
});
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file.tar`;

let number = 0;
/** Downloads with the server behaving so; returns the file and what was asked and said meanwhile. */
async function fetchWith(
  plan: Behaviour[],
  request: Partial<DownloadRequest> = {},
  options: DownloadOptions = {},
): Promise<{ file: string; problems: string[] }> {
  behaviours = [...plan];
  asked.length = 0;
  const file = request.file ?? join(folder, String(number++), 'file.tar');
  const problems: string[] = [];
  await download(
    { url, file, ...request },
    { backoff: 1, stall: 200, onRetry: (problem) => problems.push(problem), ...options },
  );
  return { file, problems };
}
const isWhole = (file: string): boolean => readFileSync(file).equals(content) && !existsSync(`${file}.part`);

test('a file arrives whole, with progress, and nothing is left beside it', async () => {
  const seen: [number, number | undefined][] = [];
  const { file, problems } = await fetchWith(
    [{}],
    { bytes: SIZE, checksum: { algorithm: 'md5', digest: md5 } },
    { onProgress: (...progress) => seen.push(progress) },
  );
  assert.ok(isWhole(file));
  assert.not(existsSync(`${file}.part.json`));
  assert.equal(seen.at(-1), [SIZE, SIZE]);
  assert.equal(problems, []);
});

test('a cut connection is continued where it was cut', async () => {
  const { file, problems } = await fetchWith([{ cut: 100_000 }, { cut: 250_000 }, {}]);
  assert.ok(isWhole(file));
  assert.is(problems.length, 2);
  const from = asked.map((range) => Number(/\d+/.exec(range ?? '0')![0]));
  assert.is(from[0], 0);
  assert.ok(from[1] > 0 && from[2] > from[1], String(from));
});

test('another run of the program goes on as well', async () => {
  const file = join(folder, 'later', 'file.tar');
  const error = await rejection(fetchWith([{ cut: 300_000 }], { file }, { attempts: 1 }));
  assert.instance(error, DownloadError);
  assert.match(error.message, `${file}.part`);
  assert.match(error.remedy ?? '', 'again');
  const part = statSync(`${file}.part`).size;
  assert.ok(part > 0);
  await fetchWith([{}], { file });
  assert.ok(isWhole(file));
  assert.equal(asked, [`bytes=${part}-`]);
});

test('a server without ranges, or with another version by now, sends it from the start', async () => {
  for (const plan of [
    [{ cut: 200_000 }, { ranges: false }],
    [{ cut: 200_000, body: older, etag: '"v0"' }, {}],
    [{ cut: 200_000, etag: null }, { etag: null }],
    [{ cut: 200_000, etag: 'W/"weak"' }, { etag: 'W/"weak"' }],
  ]) {
    assert.ok(isWhole((await fetchWith(plan)).file));
  }
});

test('without a version the checksum finds a part of another file, once', async () => {
  const checksum = { algorithm: 'md5', digest: md5 } as const;
  const { file, problems } = await fetchWith([{ cut: 200_000, body: older, etag: null }, { etag: null }], { checksum });
  assert.ok(isWhole(file));
  assert.match(problems.at(-1)!, /md5 is [0-9a-f]{32} instead of/);
});

test('a wrong range or a part longer than the file is begun anew', async () => {
  const wrong = await fetchWith([{ cut: 200_000 }, { contentRange: `bytes 5-${SIZE - 1}/${SIZE}` }, {}]);
  assert.ok(isWhole(wrong.file));
  const file = join(folder, 'long', 'file.tar');
  mkdirSync(join(folder, 'long'));
  writeFileSync(`${file}.part`, Buffer.alloc(SIZE + 5));
  writeFileSync(`${file}.part.json`, JSON.stringify({ url, version: '"v1"', total: SIZE + 9 }));
  await fetchWith([{}], { file });
  assert.ok(isWhole(file));
  writeFileSync(`${file}.part.json`, 'damaged');
  writeFileSync(`${file}.part`, 'xx');
  await fetchWith([{}], { file });
  assert.ok(isWhole(file));
});

test('errors of the moment are tried again, silence counts as a cut', async () => {
  const { file, problems } = await fetchWith([{ status: 503 }, { status: 429 }, { stall: 100_000 }, {}]);
  assert.ok(isWhole(file));
  assert.match(problems.join('; '), /503.*429.*nothing came for 0.2 s/);
  const error = await rejection(fetchWith([{ status: 500 }], {}, { attempts: 3 }));
  assert.instance(error, DownloadError);
  assert.is(asked.length, 3);
});

test('an answer that will not change is an error at once', async () => {
  for (const [plan, request, message] of [
    [[{ status: 404 }], {}, /answers 404/],
    [[{}], { bytes: SIZE + 1 }, /has 700001 bytes; the published file has 700002/],
    [[{ length: -1, body: Buffer.concat([content, content]) }], { bytes: SIZE }, /sends more than 700001 bytes/],
  ] as [Behaviour[], Partial<DownloadRequest>, RegExp][]) {
    const error = await rejection(fetchWith(plan, request));
    assert.instance(error, DownloadError);
    assert.match(error.message, message);
    assert.match(error.message, url);
    assert.is(asked.length, 1);
  }
});

test('a file that is not the published one never gets its name', async () => {
  const file = join(folder, 'wrong', 'file.tar');
  for (const request of [
    { file, checksum: { algorithm: 'sha256', digest: '00000000' } } as const,
    { file, bytes: SIZE - 7 },
  ]) {
    const length = 'bytes' in request ? { length: -1, body: content.subarray(0, SIZE - 9) } : {};
    const error = await rejection(fetchWith([length], request));
    assert.instance(error, DownloadError);
    assert.match(error.message, /not the published file: (its sha256 is|it has 699992 bytes)/);
    assert.not(existsSync(file));
    assert.not(existsSync(`${file}.part`));
  }
});

test('a download that the disk has no room for is not begun', async () => {
  const error = await rejection(fetchWith([{}], { reserve: 2 ** 60 }));
  assert.instance(error, OutputError);
  assert.match(error.message, /needs .* GiB more/);
});

test.run();
