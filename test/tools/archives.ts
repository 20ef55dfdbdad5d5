/** Archives made for tests, by hand where libraries would refuse. */
import { gzipSync } from 'node:zlib';

export interface ZipEntry {
  readonly name: string;
  readonly data: string | Uint8Array;
  /** Unix mode. */
  readonly mode?: number;
  /** The size that the directory claims. */
  readonly size?: number;
}

/** The checksum of .zip and .png files, as it stands before the last four bytes of a .gz file. */
export function crc32(data: Uint8Array): number {
  const compressed = gzipSync(data);
  return compressed.readUInt32LE(compressed.length - 8);
}

/** A .zip file of stored entries. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, mode = 0o100644, size } of entries) {
    const content = Buffer.from(data as Uint8Array);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(size ?? content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), content]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((mode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x03'), common, rest, Buffer.from(name));
    locals.push(local);
    offset += local.length;
  }
  const entriesEnd = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(entriesEnd.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, entriesEnd, end]);
}
