/** ZIP archives as torch.save makes them: entries stored, their content at multiples of 64 bytes, ZIP64 where needed. */
import crc32 from 'crc-32';

const ALIGNMENT = 64;
const MAX_32 = 0xffffffff;
/** Names are UTF-8. */
const FLAGS = 0x0800;

interface Written {
  readonly name: Uint8Array;
  readonly crc: number;
  readonly size: number;
  readonly offset: number;
}

/** Hands out the bytes of an archive, entry by entry. No packaged writer can align what it stores. */
export class ZipWriter {
  readonly #entries: Written[] = [];
  #position = 0;

  /** One entry; `content` is walked twice. */
  *entry(name: string, content: readonly Uint8Array[]): Generator<Uint8Array> {
    const written = {
      name: new TextEncoder().encode(name),
      crc: content.reduce((crc, bytes) => crc32.buf(bytes, crc), 0),
      size: content.reduce((size, { length }) => size + length, 0),
      offset: this.#position,
    };
    this.#entries.push(written);
    yield* this.#count([localHeader(written), ...content]);
  }

  /** The directory that closes the archive. */
  *end(): Generator<Uint8Array> {
    const begin = this.#position;
    yield* this.#count(this.#entries.map(directoryRecord));
    const size = this.#position - begin;
    yield endRecords(this.#entries.length, begin, size, this.#position);
  }

  *#count(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
    for (const piece of pieces) {
      this.#position += piece.length;
      yield piece;
    }
  }
}

type Field = readonly [bytes: 2 | 4 | 8, value: number];

/** Little-endian numbers one after the other. */
function fields(...values: Field[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, [width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of values) {
    if (width === 2) view.setUint16(at, value, true);
    else if (width === 4) view.setUint32(at, value >>> 0, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += width;
  }
  return bytes;
}

const clamp32 = (value: number): number => Math.min(value, MAX_32);

/** What both headers of an entry share. */
const common = ({ crc, size, name }: Written, extra: number): Field[] => [
  [2, size >= MAX_32 ? 45 : 20],
  [2, FLAGS],
  [2, 0], // stored
  [4, 0x00210000], // 1980-01-01: files of equal content are equal
  [4, crc],
  [4, clamp32(size)],
  [4, clamp32(size)],
  [2, name.length],
  [2, extra],
];

function localHeader(entry: Written): Uint8Array {
  const { size, offset, name } = entry;
  const zip64 = size >= MAX_32 ? fields([2, 1], [2, 16], [8, size], [8, size]) : new Uint8Array();
  const unpadded = offset + 30 + name.length + zip64.length + 4;
  const padding = -unpadded & (ALIGNMENT - 1);
  // PyTorch pads with an extra field named FB.
  const filler = Buffer.concat([fields([2, 0x4246], [2, padding]), Buffer.alloc(padding, 'Z')]);
  const extra = Buffer.concat([zip64, filler]);
  return Buffer.concat([fields([4, 0x04034b50], ...common(entry, extra.length)), name, extra]);
}

function directoryRecord(entry: Written): Uint8Array {
  const { size, offset, name } = entry;
  const large: Field[] = [
    ...(size >= MAX_32
      ? ([
          [8, size],
          [8, size],
        ] as Field[])
      : []),
    ...(offset >= MAX_32 ? ([[8, offset]] as Field[]) : []),
  ];
  const extra = large.length > 0 ? fields([2, 1], [2, 8 * large.length], ...large) : new Uint8Array();
  const rest: Field[] = [
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, clamp32(offset)],
  ];
  return Buffer.concat([fields([4, 0x02014b50], [2, 45], ...common(entry, extra.length), ...rest), name, extra]);
}

function endRecords(count: number, begin: number, size: number, position: number): Uint8Array {
  const zip64 = fields(
    [4, 0x06064b50],
    [8, 44],
    [2, 45],
    [2, 45],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, size],
    [8, begin],
    [4, 0x07064b50],
    [4, 0],
    [8, position],
    [4, 1],
  );
  const end = fields(
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, Math.min(count, 0xffff)],
    [2, Math.min(count, 0xffff)],
    [4, clamp32(size)],
    [4, clamp32(begin)],
    [2, 0],
  );
  return count >= 0xffff || begin >= MAX_32 || size >= MAX_32 ? Buffer.concat([zip64, end]) : end;
}
