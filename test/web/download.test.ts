/** Weights that are used while they are on their way. */
import type { ServerResponse } from 'node:http';
import { CheckpointError } from '@cim/tools/errors';
import { checkpointFailure } from '@cim/tools/formats/bytes';
import { parseSafetensors } from '@cim/tools/formats/safetensors-content';
import { type Download, download } from '@cim/tools/web/try/download';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type PageServer, servePage } from '../browser/index.ts';
import { rejection } from '../rejection.ts';

const test = suite('download');
const BYTES = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251);
let answer: (response: ServerResponse) => void = () => {};
let server: PageServer;
test.before(async () => {
  server = await servePage((_, response) => answer(response));
});
test.after(() => server.close());

const whole = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-length': BYTES.length }).end(BYTES);
};

async function begin(): Promise<{ file: Download; received: number[] }> {
  const received: number[] = [];
  return { file: await download(`${server.url}weights`, (count) => received.push(count)), received };
}

test('bytes come in any order, each part once, and their number is told', async () => {
  answer = whole;
  const { file, received } = await begin();
  assert.is(file.size, BYTES.length);
  for (const [position, length] of [
    [0, 8],
    [200_000, 50_000],
    [8, 99_992],
    [100_000, 100_000],
    [250_000, 50_000],
    [300_000, 0],
  ]) {
    assert.equal(await file.read(position, length), BYTES.slice(position, position + length), `${position}`);
  }
  assert.is(received.at(-1), BYTES.length);
  assert.equal(
    received,
    received.toSorted((a, b) => a - b),
  );
});

test('a server that does not tell the size is read whole', async () => {
  answer = (response) => {
    response.writeHead(200);
    response.write(BYTES.subarray(0, 1000));
    response.end(BYTES.subarray(1000));
  };
  const { file } = await begin();
  assert.is(file.size, BYTES.length);
  assert.equal(await file.read(500, 1000), BYTES.slice(500, 1500));
});

test('a download that stops half-way, and a file that is not there, are told with their address', async () => {
  answer = (response) => {
    response.writeHead(200, { 'content-length': BYTES.length });
    response.write(BYTES.subarray(0, 1000), () => setTimeout(() => response.destroy(), 50));
  };
  const { file } = await begin();
  assert.equal(await file.read(0, 1000), BYTES.slice(0, 1000));
  const broken = await rejection(file.read(1000, 1000));
  assert.instance(broken, CheckpointError);
  assert.match(broken.message, `${server.url}weights`);
  answer = (response) => response.writeHead(404, 'Not Found').end();
  const missing = await rejection(begin());
  assert.instance(missing, CheckpointError);
  assert.match(missing.message, '404');
});

test('tensors are read from a download that is closed before its end', async () => {
  const header = JSON.stringify({
    late: { dtype: 'F32', shape: [2], data_offsets: [8, 16] },
    early: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
    unused: { dtype: 'F32', shape: [250_000], data_offsets: [16, 1_000_016] },
  });
  const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
  answer = (response) => {
    response.writeHead(200, { 'content-length': 8 + text.length + 1_000_016 });
    response.write(new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer));
    response.write(text);
    response.write(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
  };
  const { file } = await begin();
  const { tensors } = await parseSafetensors(file, checkpointFailure('weights'));
  assert.equal(await tensors.get('late')!.read(), Float32Array.of(3, 4));
  assert.equal(await tensors.get('early')!.read(), Float32Array.of(1, 2));
  file.close();
});

test.run();
