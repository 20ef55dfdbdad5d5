/**
 * Event files as TensorBoard reads them: records of a protocol buffer `Event` (tensorflow/core/util/event.proto and
 * framework/summary.proto, of which this is the part for scalars), framed as in TFRecord files
 * (tensorflow/core/lib/io/record_writer.h): length as u64, its checksum, the data, their checksum, little endian.
 */
import CRC32C from 'crc-32/crc32c.js';
import protobuf from 'protobufjs/light.js';

/** What a program measured at a step. */
export interface ScalarEvent {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly step: number;
  /** By tag; tags with equal beginnings up to a slash are shown together. */
  readonly values: Readonly<Record<string, number>>;
}

const VERSION = 'brain.Event:2';
/** SessionLog.SessionStatus.START: readers forget what they have from this step on. */
const START = 1;

const { Event } = protobuf.Root.fromJSON({
  nested: {
    Event: {
      fields: {
        wallTime: { type: 'double', id: 1 },
        step: { type: 'int64', id: 2 },
        fileVersion: { type: 'string', id: 3 },
        summary: { type: 'Summary', id: 5 },
        sessionLog: { type: 'SessionLog', id: 7 },
      },
    },
    Summary: { fields: { value: { rule: 'repeated', type: 'SummaryValue', id: 1 } } },
    SummaryValue: { fields: { tag: { type: 'string', id: 1 }, simpleValue: { type: 'float', id: 2 } } },
    SessionLog: { fields: { status: { type: 'int32', id: 1 } } },
  },
}).nested as Record<string, protobuf.Type>;

/** The beginning of a file: its version, and that what readers know of the steps from `step` on is void. */
export const encodeStart = (time: number, step: number): Uint8Array =>
  Buffer.concat([
    record({ wallTime: time / 1000, fileVersion: VERSION }),
    record({ wallTime: time / 1000, step, sessionLog: { status: START } }),
  ]);

export const encodeScalars = ({ time, step, values }: ScalarEvent): Uint8Array =>
  record({
    wallTime: time / 1000,
    step,
    summary: { value: Object.entries(values).map(([tag, simpleValue]) => ({ tag, simpleValue })) },
  });

function record(event: object): Uint8Array {
  const data = Event.encode(Event.fromObject(event)).finish();
  const framed = new Uint8Array(16 + data.length);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedChecksum(framed.subarray(0, 8)), true);
  framed.set(data, 12);
  view.setUint32(12 + data.length, maskedChecksum(data), true);
  return framed;
}

/** CRC-32C, masked since checksums of data that hold checksums are weak (tensorflow/core/lib/hash/crc32c.h). */
export function maskedChecksum(data: Uint8Array): number {
  const checksum = CRC32C.buf(data) >>> 0;
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}
