/** TensorBoard's event files, read by a decoder of this test's own; and what a training leaves in them. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeScalars, encodeStart, maskedChecksum } from '@cim/tools/formats/event-file';
import { TrainingMonitor } from '@cim/tools/pipeline/monitor';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('event files');

/** CRC-32C bit by bit. */
function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** Undoes the mask of TensorFlow's checksums. */
function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

type Fields = Map<number, (bigint | Buffer)[]>;

/** The fields of a protocol buffer by number: varints as they are, everything else as bytes. */
function fieldsOf(data: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let [value, shift] = [0n, 0n];
    for (let more = true; more; shift += 7n) {
      const byte = data[at++];
      value |= BigInt(byte & 0x7f) << shift;
      more = byte >= 0x80;
    }
    return value;
  };
  while (at < data.length) {
    const key = Number(varint());
    const take = (length: number): Buffer => data.subarray(at, (at += length));
    const kinds: Readonly<Record<number, () => bigint | Buffer>> = {
      0: varint,
      1: () => take(8),
      2: () => take(Number(varint())),
      5: () => take(4),
    };
    const value = kinds[key & 7]();
    fields.set(key >>> 3, [...(fields.get(key >>> 3) ?? []), value]);
  }
  return fields;
}

interface Read {
  readonly wallTime: number;
  readonly step: number;
  readonly version?: string;
  readonly start: boolean;
  readonly values: Record<string, number>;
}

/** The events of a file, whose frames and checksums must be right. */
function readEvents(bytes: Buffer): Read[] {
  const events: Read[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    assert.is(unmasked(bytes.readUInt32LE(at + 8)), crc32c(bytes.subarray(at, at + 8)), 'checksum of the length');
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.is(data.length, length);
    assert.is(unmasked(bytes.readUInt32LE(at + 12 + length)), crc32c(data), 'checksum of the data');
    at += 16 + length;
    const event = fieldsOf(data);
    const summary = event.get(5)?.[0] as Buffer | undefined;
    const values = (summary ? (fieldsOf(summary).get(1) as Buffer[]) : []).map((value) => {
      const scalar = fieldsOf(value);
      return [String(scalar.get(1)![0]), (scalar.get(2)![0] as Buffer).readFloatLE()] as const;
    });
    const session = event.get(7)?.[0] as Buffer | undefined;
    events.push({
      wallTime: (event.get(1)![0] as Buffer).readDoubleLE(),
      step: Number((event.get(2)?.[0] as bigint | undefined) ?? 0n),
      version: event.get(3)?.[0]?.toString(),
      start: session !== undefined && fieldsOf(session).get(1)?.[0] === 1n,
      values: Object.fromEntries(values),
    });
  }
  return events;
}

test('checksums: the vectors of RFC 3720 and of TensorFlow', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  const vectors: [Uint8Array, number][] = [
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [ascending, 0x46dd794e],
    [ascending.toReversed(), 0x113fdb5c],
    [Buffer.from('123456789'), 0xe3069283],
  ];
  for (const [data, expected] of vectors) {
    assert.is(crc32c(data), expected);
    assert.is(unmasked(maskedChecksum(data)), expected);
  }
});

test('the first record is, byte for byte, that of a TensorFlow file', () => {
  // Of a file that TensorFlow's own writer began: 24 bytes of Event {wall_time, file_version}.
  const first = Buffer.from(encodeStart(1_500_000_000_000, 0)).subarray(0, 40);
  assert.is(first.subarray(0, 12).toString('hex'), '1800000000000000a37f4b22');
  assert.is(first.subarray(21, 36).toString('latin1'), '\x1a\x0dbrain.Event:2');
});

test('scalars', () => {
  const [version, start] = readEvents(Buffer.from(encodeStart(5000, 7)));
  assert.equal([version.version, version.wallTime], ['brain.Event:2', 5]);
  assert.equal([start.start, start.step], [true, 7]);
  const values = { 'loss/total': 0.5, lr: -2, 'Größe/ü': 1e30 };
  const [event] = readEvents(Buffer.from(encodeScalars({ time: 1234.5, step: 2 ** 40, values })));
  assert.is(event.step, 2 ** 40);
  assert.is(event.wallTime, 1.2345);
  assert.equal(event.values, { ...values, 'Größe/ü': Math.fround(1e30) });
});

const step = (n: number, total = 10 - n) => ({ step: n, lr: 0.5, losses: { total }, images: 4 });
const memory = { live: 1, peak: 2, reserved: 3, requested: 1 };

test('a training that is resumed has every step once, and one file', () => {
  const folder = temporaryFolder('events');
  const lines = join(folder, 'cim.monitor.jsonl');
  const events = join(folder, 'tensorboard', 'cim');
  const read = (): Read[] => {
    const [name, ...more] = readdirSync(events);
    assert.equal(more, []);
    assert.match(name, /^events\.out\.tfevents\.\d{10}\./);
    return readEvents(readFileSync(join(events, name)));
  };
  const scores = { mAP25: 1, mAP50: 2, mAP70: 3, mAP75: 4, AP: 5 };
  const first = new TrainingMonitor(lines, events, 0, []);
  for (let n = 0; n < 5; n++) first.step(step(n), memory);
  first.preview(2, { scores, samples: [] });
  first.close();
  assert.equal(
    read().map((event) => event.step),
    [0, 0, 0, 1, 2, 3, 4, 2],
  );

  // Killed while it wrote a line, resumed from the checkpoint after step 2.
  writeFileSync(lines, `${readFileSync(lines, 'utf8')}{"step":5,"ti`);
  const second = new TrainingMonitor(lines, events, 3, [step(0), step(1), step(2)]);
  for (let n = 3; n < 5; n++) second.step(step(n, 100), memory);
  second.close();
  const [version, start, ...rest] = read();
  assert.is(version.version, 'brain.Event:2');
  assert.ok(start.start && start.step === 0, 'readers forget what they had read');
  const losses = rest.filter(({ values }) => 'loss/total' in values);
  assert.equal(
    losses.map((event) => [event.step, event.values['loss/total'], event.values.learning_rate]),
    [
      [0, 10, 0.5],
      [1, 9, 0.5],
      [2, 8, 0.5],
      [3, 100, 0.5],
      [4, 100, 0.5],
    ],
  );
  assert.ok(losses.every(({ values }) => values['memory/peak'] === 2));
  assert.equal(
    rest.filter(({ values }) => 'mask_AP/mAP50' in values).map((event) => [event.step, event.values['mask_AP/mAP50']]),
    [[2, 2]],
  );
  const kept = readFileSync(lines, 'utf8').trim().split('\n');
  assert.equal(
    kept.map((text) => (JSON.parse(text) as { step: number }).step),
    [0, 1, 2, 2, 3, 4],
  );
});

test.run();
