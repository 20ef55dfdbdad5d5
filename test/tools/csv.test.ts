import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCsv } from '@cim/tools/datasets/csv';
import { openDataset } from '@cim/tools/datasets/open';
import { DataError } from '@cim/tools/errors';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('csv');

test('labels separated by spaces or semicolons', () => {
  for (const text of [
    'file,labels\na.jpg,fish bird fish\nb.jpg,\n',
    '\uFEFFfile,labels\r\na.jpg,"bird; fish"\r\n\r\nb.jpg,\r\n',
  ]) {
    const list = parseCsv(text, 'x.csv');
    assert.equal(list.classes, [
      { id: 1, name: 'bird' },
      { id: 2, name: 'fish' },
    ]);
    assert.equal(
      list.images.map(({ id, fileName, labels }) => ({ id, fileName, labels })),
      [
        { id: 1, fileName: 'a.jpg', labels: [0, 1] },
        { id: 2, fileName: 'b.jpg', labels: [] },
      ],
    );
  }
});

test('one semicolon lets names hold spaces everywhere', () => {
  const list = parseCsv('file,labels\n"a, b.jpg",traffic light\nb.jpg,traffic light;bus', 'x.csv');
  assert.equal(
    list.classes.map((c) => c.name),
    ['bus', 'traffic light'],
  );
  assert.equal(
    list.images.map((image) => [image.fileName, image.labels]),
    [
      ['a, b.jpg', [1]],
      ['b.jpg', [0, 1]],
    ],
  );
});

test('what is wrong is quoted with file and line', () => {
  const cases: [string, RegExp][] = [
    ['', /columns "", not "file,labels"/],
    ['a.jpg,fish\nb.jpg,bird', /columns "a\.jpg,fish"/],
    ['file,labels\na.jpg,fish,bird', /line 2: "a\.jpg,fish,bird"/],
    ['file,labels\n\na.jpg', /line 3: "a\.jpg"/],
    ['file,labels\n,fish', /line 2: ",fish"/],
    ['file,labels\na.jpg,fish\na.jpg,bird', /line 3: "a\.jpg" stands twice/],
    ['file,labels\n"a.jpg,fish', /not a CSV file/],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseCsv(text, 'x.csv'),
      (error: DataError) => {
        assert.instance(error, DataError);
        assert.match(error.message, message);
        assert.match(error.message, 'x.csv');
        return error.remedy.length > 0;
      },
    );
  }
});

test('a validation list uses the classes of the training list', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cim-csv-'));
  try {
    writeFileSync(join(folder, 'train.csv'), 'file,labels\na.jpg,fish\nb.jpg,bird');
    writeFileSync(join(folder, 'val.csv'), 'file,labels\na.jpg,fish');
    for (const name of ['a.jpg', 'b.jpg']) writeFileSync(join(folder, name), '');
    const train = await openDataset({ path: folder, split: 'train' });
    const val = await openDataset({ path: folder, split: 'val', classes: train.classes });
    assert.equal(val.classes, train.classes);
    assert.equal(val.images[0].labels, [1]);
    assert.throws(
      () => parseCsv('file,labels\na.jpg,cow', 'x.csv', train.classes),
      /line 2: the class "cow".*bird, fish/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
