/** ZIP archives as torch.save makes them: entries stored, their content at multiples of 64 bytes, ZIP64 where needed. */
import crc32 from 'crc-32';

const ALIGNMENT = 64;
const MAX_32 = 0xffffffff;
/** Names are UTF-8; sum and sizes follow the content, as torch.save has it. */
const FLAGS = 0x0808;

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

  async *entry(name: string, content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const bytes = new TextEncoder().encode(name);
    const offset = this.#position;
    yield this.#count(localHeader(bytes, offset));
    let [crc, size] = [0, 0];
    for await (const piece of content) {
      crc = crc32.buf(piece, crc);
      size += piece.length;
      yield this.#count(piece);
    }
    const width = size >= MAX_32 ? 8 : 4;
    yield this.#count(fields([4, 0x08074b50], [4, crc], [width, size], [width, size]));
    this.#entries.push({ name: bytes, crc, size, offset });
  }

  /** The directory that closes the archive. */
  *end(): Generator<Uint8Array> {
    const begin = this.#position;
    for (const entry of this.#entries) yield this.#count(directoryRecord(entry));
    yield endRecords(this.#entries.length, begin, this.#position - begin, this.#position);
  }

  #count(piece: Uint8Array): Uint8Array {
    this.#position += piece.length;
    return piece;
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
const common = (crc: number, size: number, name: Uint8Array, extra: number): Field[] => [
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

function localHeader(name: Uint8Array, offset: number): Uint8Array {
  const padding = -(offset + 30 + name.length + 4) & (ALIGNMENT - 1);
  // PyTorch pads with an extra field named FB.
  const extra = Buffer.concat([fields([2, 0x4246], [2, padding]), Buffer.alloc(padding, 'Z')]);
  return Buffer.concat([fields([4, 0x04034b50], ...common(0, 0, name, extra.length)), name, extra]);
}

function directoryRecord({ crc, size, offset, name }: Written): Uint8Array {
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
  return Buffer.concat([
    fields([4, 0x02014b50], [2, 45], ...common(crc, size, name, extra.length), ...rest),
    name,
    extra,
  ]);
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
