/** Archives, whole, damaged and hostile. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { extract } from '@cim/tools/data/extract';
import { DataError } from '@cim/tools/errors';
import { create, Header } from 'tar';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { zip } from './archives.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('extract');
const folder = temporaryFolder('extract');

const FILES = {
  'VOCdevkit/VOC2012/JPEGImages/a.jpg': 'picture a',
  'VOCdevkit/VOC2012/JPEGImages/b.jpg': 'picture b',
  'VOCdevkit/VOC2012/ImageSets/Main/train.txt': 'a\nb\n',
  'VOCdevkit/readme': 'not wanted',
};

/** A .tar file of one entry after an innocent one. */
function tarOf(path: string, type: 'File' | 'SymbolicLink' | 'Link' = 'File', linkpath?: string): Buffer {
  const entry = (name: string, data: string, kind = type): Buffer => {
    const block = Buffer.alloc(512 + (data === '' ? 0 : 512));
    new Header({ path: name, mode: 0o644, size: data.length, type: kind, linkpath }).encode(block, 0);
    block.write(data, 512);
    return block;
  };
  return Buffer.concat([
    entry('good.txt', 'good', 'File'),
    entry(path, type === 'File' ? 'bad' : ''),
    Buffer.alloc(1024),
  ]);
}

function put(name: string, bytes: Uint8Array | string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  return file;
}

let number = 0;
const target = (): string => join(folder, 'out', String(number++));
const contents = (root: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
      .map((file) => [file.slice(root.length + 1), readFileSync(file, 'utf8')]),
  );

for (const [name, text] of Object.entries(FILES)) put(`source/${name}`, text);
const inSource = { cwd: join(folder, 'source'), portable: true };
await create({ ...inSource, file: join(folder, 'voc.tar') }, ['VOCdevkit']);
await create({ ...inSource, file: join(folder, 'voc.tgz'), gzip: true }, ['./VOCdevkit']);
put(
  'voc.zip',
  zip([{ name: 'VOCdevkit/', data: '' }, ...Object.entries(FILES).map(([name, data]) => ({ name, data }))]),
);

const below = {
  'ImageSets/Main/train.txt': 'a\nb\n',
  'JPEGImages/a.jpg': 'picture a',
  'JPEGImages/b.jpg': 'picture b',
};

for (const archive of ['voc.tar', 'voc.tgz', 'voc.zip']) {
  test(`${archive}: the folder asked for, over what is there`, async () => {
    const root = target();
    put(`${root.slice(folder.length + 1)}/JPEGImages/kept.jpg`, 'kept');
    put(`${root.slice(folder.length + 1)}/JPEGImages/a.jpg`, 'old');
    assert.is(await extract(join(folder, archive), root, { from: 'VOCdevkit/VOC2012' }), 3);
    assert.equal(contents(root), { ...below, 'JPEGImages/kept.jpg': 'kept' });
    const some = target();
    await extract(join(folder, archive), some, { accepts: (name) => name.endsWith('.jpg') });
    assert.equal(Object.keys(contents(some)), [
      'VOCdevkit/VOC2012/JPEGImages/a.jpg',
      'VOCdevkit/VOC2012/JPEGImages/b.jpg',
    ]);
    const error = await rejection(extract(join(folder, archive), target(), { from: 'elsewhere' }));
    assert.instance(error, DataError);
    assert.match(error.message, 'none of the files');
  });
}

test('what leads out of the folder is refused, and nothing is written', async () => {
  const hostile: [string, Uint8Array][] = [
    ['up.tar', tarOf('../escaped')],
    ['deep.tar', tarOf('a/../../escaped')],
    ['absolute.tar', tarOf(join(folder, 'escaped'))],
    ['symlink.tar', tarOf('link', 'SymbolicLink', '..')],
    ['hardlink.tar', tarOf('link', 'Link', '../../source/VOCdevkit/readme')],
    ['windows.tar', tarOf('a\\..\\..\\escaped')],
    ['up.tgz', gzipSync(tarOf('../escaped'))],
    [
      'up.zip',
      zip([
        { name: 'good.txt', data: 'good' },
        { name: '../escaped', data: 'bad' },
      ]),
    ],
    ['absolute.zip', zip([{ name: '/escaped', data: 'bad' }])],
    ['windows.zip', zip([{ name: 'a\\..\\..\\escaped', data: 'bad' }])],
    ['symlink.zip', zip([{ name: 'link', data: '..', mode: 0o120777 }])],
  ];
  for (const [name, bytes] of hostile) {
    const root = target();
    const error = await rejection(extract(put(name, bytes), root));
    assert.instance(error, DataError, name);
    assert.match(error.message, name);
    assert.equal(contents(root), {}, name);
    assert.equal(readdirSync(root), [], name);
    assert.not(existsSync(join(folder, 'out', 'escaped')), name);
    assert.not(existsSync(join(folder, 'escaped')), name);
  }
});

test('a damaged archive is named and leaves nothing', async () => {
  const tar = readFileSync(join(folder, 'voc.tar'));
  const tgz = readFileSync(join(folder, 'voc.tgz'));
  const whole = readFileSync(join(folder, 'voc.zip'));
  const damaged: [string, Uint8Array][] = [
    ['page.tar', Buffer.from('<!DOCTYPE html><html>Sign in</html>')],
    ['empty.zip', Buffer.alloc(0)],
    ['cut.tar', tar.subarray(0, 1500)],
    ['cut.tgz', tgz.subarray(0, tgz.length - 20)],
    ['cut.zip', whole.subarray(0, whole.length - 30)],
    ['flipped.tgz', Buffer.from(tgz).fill(0x55, 60, 90)],
    ['longer.zip', zip([{ name: 'a', data: 'four', size: 400 }])],
  ];
  for (const [name, bytes] of damaged) {
    const root = target();
    const error = await rejection(extract(put(name, bytes), root));
    assert.instance(error, DataError, name);
    assert.match(error.message, name);
    assert.ok(error.remedy);
    assert.equal(readdirSync(root), [], name);
  }
});

test.run();
