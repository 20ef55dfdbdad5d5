/** What `cim serve` answers, and what it refuses. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { basename, join } from 'node:path';
import { bundleApp } from '@cim/tools/web/server/bundle';
import { exportApp } from '@cim/tools/web/server/export';
import { refusal } from '@cim/tools/web/server/guard';
import { Resources } from '@cim/tools/web/server/resources';
import { serve, type WebServer } from '@cim/tools/web/server/server';
import { openSources } from '@cim/tools/web/server/sources';
import type { AppIndex, ImageDetail, ProposalList, SplitIndex } from '@cim/tools/web/wire';
import sharp from 'sharp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from '../tools/tiny-run.ts';
import { makeRun, type RunFixture, SIZE } from './run-fixture.ts';

const test = suite('web server');
let run: RunFixture;
let server: WebServer;

test.before(async () => {
  run = await makeRun('web');
  const resources = new Resources(openSources([run.folder]), await bundleApp(), { live: true });
  server = await serve(resources, { port: 0, host: '127.0.0.1' });
});
test.after(() => server.close());

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A request whose path goes out as it is written. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, headers, method }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(pieces) }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function json<T>(path: string): Promise<T> {
  const { status, body, headers } = await ask(path);
  assert.is(status, 200, `${path}: ${body}`);
  assert.is(headers['content-type'], 'application/json');
  return JSON.parse(body.toString()) as T;
}

test('the page loads nothing from elsewhere', async () => {
  const { status, headers, body } = await ask('/');
  assert.is(status, 200);
  assert.match(headers['content-type']!, 'text/html');
  assert.match(String(headers['content-security-policy']), "default-src 'self'");
  assert.is(headers['x-content-type-options'], 'nosniff');
  assert.match(body.toString(), 'assets/main.js');
  const texts = [...(await bundleApp())].filter(([name]) => /\.(html|css)$/.test(name));
  for (const [name, bytes] of texts) assert.not.match(Buffer.from(bytes).toString(), /https?:\/\//, name);
});

test('a run: its data set, layers and what was found', async () => {
  const { live, sources } = await json<AppIndex>('/api/index.json');
  assert.is(live, true);
  assert.equal(
    sources.map(({ key, kind, splits, trainings }) => ({ key, kind, splits, trainings })),
    [{ key: 'demo', kind: 'run', splits: ['train', 'val'], trainings: ['cim'] }],
  );
  const { images, layers, classes } = await json<SplitIndex>('/api/demo/val/images.json');
  assert.equal(layers, ['truth', 'proposals', 'detections']);
  assert.is(images.length, run.val.images.length);
  assert.equal(
    classes,
    run.val.categories.map(({ name }) => name),
  );
  const [first] = images;
  assert.equal([first.width, first.height], [SIZE, SIZE]);
  const { objects } = await json<ImageDetail>(`/api/demo/val/${first.id}.json`);
  const scores = objects.detections!.map(({ score }) => score!);
  assert.equal(
    scores,
    scores.toSorted((a, b) => b - a),
  );
  assert.equal(first.objects.detections!.scores, scores);
  // Half of a mask lies in its object: about half of it is what they have in common.
  for (const { iou, score } of objects.detections!) if (score === 0.9) assert.ok(iou! > 0.2 && iou! < 0.8, `${iou}`);
  assert.equal(
    objects.truth!.map(({ iou }) => iou),
    first.objects.truth!.ious,
  );
});

test('training images: pseudo labels, proposals in clusters, peaks with response maps', async () => {
  const { images, layers } = await json<SplitIndex>('/api/demo/train/images.json');
  assert.equal(layers, ['truth', 'proposals', 'peaks', 'labels']);
  const [{ id, labels }] = images;
  const { objects, peaks } = await json<ImageDetail>(`/api/demo/train/${id}.json`);
  assert.ok(objects.labels!.length > 0);
  for (const { iou, score } of objects.labels!) assert.equal([iou, score], [1, 0.75]);
  const [peak] = peaks!.peaks;
  assert.equal([peak.class, peak.x, peak.y, peak.score], [labels[0], 0.5, 0.25, 3]);
  assert.equal([...Buffer.from(peaks!.maps[0].values, 'base64')], [255, 255, 255, 255]);
  const proposals = await json<ProposalList>(`/api/demo/train/${id}-proposals.json`);
  assert.equal(
    proposals.map(({ box }) => box),
    [0, 1, 2, 3].map((n) => [(n * SIZE) / 4, 0, SIZE / 4, SIZE]),
  );
  assert.equal([proposals[0].class, proposals[0].cluster], [labels[0], 1]);
  assert.is(proposals[1].class, null);
});

test('pictures, small ones, files by parts, and what did not change', async () => {
  const { images } = await json<SplitIndex>('/api/demo/val/images.json');
  const picture = await ask(`/api/demo/val/images/${images[0].file}`);
  assert.is(picture.headers['content-type'], 'image/jpeg');
  assert.equal(picture.body, readFileSync(join(run.folder, 'data', 'JPEGImages', images[0].name)));
  const thumb = await ask(`/api/demo/val/thumbs/${images[0].id}.webp`);
  assert.is((await sharp(thumb.body).metadata()).format, 'webp');
  const part = await ask('/files/demo/labels.safetensors', { Range: 'bytes=2-5' });
  assert.is(part.status, 206);
  assert.equal(part.body, readFileSync(join(run.folder, 'labels.safetensors')).subarray(2, 6));
  for (const path of ['/assets/main.js', '/api/demo/val/images.json', '/files/demo/recipe.json']) {
    const { headers } = await ask(path);
    const again = await ask(path, { 'If-None-Match': headers.etag! });
    assert.equal([again.status, again.body.length], [304, 0], path);
  }
  const head = await ask('/api/demo/val/images.json', {}, 'HEAD');
  assert.equal([head.status, head.body.length], [200, 0]);
});

test('no way leads out of a folder', async () => {
  const outside = temporaryFolder('outside');
  writeFileSync(join(outside, 'secret.json'), '"secret"');
  symlinkSync(join(outside, 'secret.json'), join(run.folder, 'link.json'));
  symlinkSync(outside, join(run.folder, 'linked'));
  mkdirSync(join(run.folder, '.hidden'));
  writeFileSync(join(run.folder, '.hidden', 'secret.json'), '"secret"');
  const up = '../'.repeat(12);
  const ways = [
    `/files/demo/${up}etc/passwd`,
    `/files/demo/${encodeURIComponent(`${up}etc/passwd`)}`,
    `/files/demo/${'%2e%2e/'.repeat(12)}etc/passwd`,
    `/files/demo/${'..%5c'.repeat(12)}etc/passwd`,
    '/files/demo//etc/passwd',
    '/files/demo/%2fetc%2fpasswd',
    '/files/demo/recipe.json%00.txt',
    '/files/demo/C:%5cboot.ini',
    '/files/demo/C:/boot.ini',
    '/files/../files/demo/recipe.json',
    '/files/demo/./recipe.json',
    '/files/demo/link.json',
    '/files/demo/linked/secret.json',
    '/files/demo/.hidden/secret.json',
    '/files/demo/data',
    '/files/demo/',
    '/files/other/recipe.json',
    '/assets/../index.html',
    '/api/demo/..%2f..%2fval/images.json',
    '/api/demo/__proto__/images.json',
    '/files/demo/%ff',
    '/%',
    'http://127.0.0.1/files/demo/recipe.json',
  ];
  for (const way of ways) {
    const { status, body } = await ask(way);
    assert.ok(status === 404 || status === 400, `${way} is answered with ${status}`);
    assert.not.match(body.toString(), /secret"|root:/, way);
  }
  assert.is((await ask('/files/demo/recipe.json')).status, 200);
  rmSync(join(run.folder, 'link.json'));
  rmSync(join(run.folder, 'linked'));
});

test('an image that lies elsewhere is not served, though the annotations name it', async () => {
  const outside = temporaryFolder('elsewhere');
  const picture = join(outside, 'secret.jpg');
  writeFileSync(
    picture,
    await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer(),
  );
  const folder = join(temporaryFolder('data'), 'set');
  mkdirSync(join(folder, 'annotations'), { recursive: true });
  const file_name = `../../${basename(outside)}/secret.jpg`;
  const images = [{ id: 1, file_name, width: 8, height: 8 }];
  const annotations = [{ id: 1, image_id: 1, category_id: 1, bbox: [0, 0, 4, 4], area: 16, iscrowd: 0 }];
  const content = { images, annotations, categories: [{ id: 1, name: 'thing' }] };
  writeFileSync(join(folder, 'annotations', 'val.json'), JSON.stringify(content));
  const resources = new Resources(openSources([folder]), new Map(), { live: true });
  assert.ok(await resources.get(['api', 'set', 'val', 'images.json']), 'the data set itself is fine');
  assert.is(await resources.get(['api', 'set', 'val', 'images', '1.jpg']), null);
  assert.is(await resources.get(['api', 'set', 'val', 'thumbs', '1.webp']), null);
});

test('a data set that a run links to is served when its folder is named too', async () => {
  const root = temporaryFolder('linked');
  const [data, linked] = [join(root, 'set'), join(root, 'run')];
  cpSync(join(run.folder, 'data'), data, { recursive: true });
  mkdirSync(linked);
  writeFileSync(join(linked, 'recipe.json'), '{}');
  symlinkSync(data, join(linked, 'data'));
  const splitsOf = async (folders: readonly string[]): Promise<readonly string[]> =>
    (await new Resources(openSources(folders), new Map(), { live: true }).index()).sources[0].splits;
  assert.equal(await splitsOf([linked]), []);
  assert.equal(await splitsOf([linked, data]), ['train', 'val']);
});

test('other methods, hosts and sites are refused', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    assert.is((await ask('/api/index.json', {}, method)).status, 405, method);
  }
  const { host } = new URL(server.url);
  const cases: [Record<string, string>, number][] = [
    [{ Host: 'evil.example' }, 403],
    [{ Host: `evil.example:${new URL(server.url).port}` }, 403],
    [{ Host: '127.0.0.1.evil.example' }, 403],
    [{ Host: 'localhost:1' }, 200],
    [{ Host: host, Origin: 'http://evil.example' }, 403],
    [{ Host: host, Origin: 'null' }, 403],
    [{ Host: host, Origin: `http://${host}` }, 200],
    [{ Host: host, 'Sec-Fetch-Site': 'cross-site' }, 403],
    [{ Host: host, 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'script' }, 403],
    [{ Host: host, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' }, 403],
    [{ Host: host, 'Sec-Fetch-Site': 'same-origin' }, 200],
  ];
  for (const [headers, status] of cases) {
    assert.is((await ask('/api/index.json', headers)).status, status, JSON.stringify(headers));
  }
});

test('on every address any address is right, foreign names are not', () => {
  for (const host of ['192.168.1.7:8000', '[fe80::1]:8000', 'localhost', 'workstation:8000']) {
    assert.is(refusal({ host }, '0.0.0.0', 'Workstation'), null, host);
  }
  assert.match(refusal({ host: 'evil.example' }, '0.0.0.0', 'workstation')!, 'evil.example');
  assert.match(refusal({ host: '192.168.1.7' }, '127.0.0.1', 'workstation')!, '192.168.1.7');
  assert.match(refusal({}, '127.0.0.1', 'workstation')!, 'not this server');
});

test('folders that are none, and a port in use', async () => {
  const empty = temporaryFolder('empty');
  const open = async (folder: string) => openSources([folder]);
  for (const folder of [join(empty, 'missing'), empty]) {
    const error = await rejection(open(folder));
    assert.match(error.message, folder);
  }
  const port = Number(new URL(server.url).port);
  const resources = new Resources([], new Map(), { live: true });
  const error = await rejection(serve(resources, { port, host: '127.0.0.1' }));
  assert.match(error.message, `Port ${port}`);
  assert.match((error as { remedy?: string }).remedy!, '--port');
});

test('a damaged file is named, and the rest is served', async () => {
  const file = join(run.folder, 'results.json');
  const content = readFileSync(file);
  writeFileSync(file, '[{"image_id": 1}]');
  const { status, body } = await ask('/api/demo/val/images.json');
  assert.is(status, 422);
  assert.match(JSON.parse(body.toString()).error, 'results.json');
  assert.is((await ask('/api/demo/train/images.json')).status, 200);
  writeFileSync(file, content);
  assert.is((await ask('/api/demo/val/images.json')).status, 200);
});

test('an export holds every answer as a file', async () => {
  const out = join(temporaryFolder('export'), 'site');
  const resources = new Resources(openSources([run.folder]), await bundleApp(), { live: false });
  const quiet = { progress: () => ({ advance() {}, stop() {} }) };
  const { files } = await exportApp(resources, out, quiet);
  const written = (readdirSync(out, { recursive: true }) as string[]).filter((name) => /\.\w+$/.test(name));
  assert.is(written.filter((name) => existsSync(join(out, name))).length, files);
  const index = JSON.parse(readFileSync(join(out, 'api', 'index.json'), 'utf8')) as AppIndex;
  assert.is(index.live, false);
  const { images } = JSON.parse(readFileSync(join(out, 'api/demo/val/images.json'), 'utf8')) as SplitIndex;
  for (const { id, file } of images) {
    for (const name of [`${id}.json`, `images/${file}`, `thumbs/${id}.webp`]) {
      assert.ok(written.includes(join('api', 'demo', 'val', ...name.split('/'))), name);
    }
  }
  // Again into the same folder, but not over what is somebody's.
  await exportApp(resources, out, quiet);
  const error = await rejection(exportApp(resources, run.folder, quiet));
  assert.match(error.message, 'holds other files');
});

test.run();
