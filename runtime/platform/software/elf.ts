import { closeSync, openSync, readSync } from 'node:fs';

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/** The file names that a 64-bit little-endian ELF library asks the dynamic linker for (its DT_NEEDED entries). */
export function neededLibraries(file: string): string[] {
  const handle = openSync(file, 'r');
  const read = (offset: number, size: number): Buffer => {
    const buffer = Buffer.alloc(size);
    return buffer.subarray(0, readSync(handle, buffer, 0, size, offset));
  };
  try {
    const header = read(0, 64);
    if (header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01')
      throw new Error(`${file} is not a 64-bit little-endian ELF file.`);
    const entrySize = header.readUInt16LE(54);
    const table = read(Number(header.readBigUInt64LE(32)), entrySize * header.readUInt16LE(56));
    const segments = Array.from({ length: table.length / entrySize }, (_, i) => {
      const at = i * entrySize;
      const word = (offset: number): number => Number(table.readBigUInt64LE(at + offset));
      return { type: table.readUInt32LE(at), offset: word(8), address: word(16), size: word(32) };
    });
    const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
    if (!dynamic) return [];
    const entries = read(dynamic.offset, dynamic.size);
    const names: number[] = [];
    let strings = 0;
    for (let at = 0; at + 16 <= entries.length; at += 16) {
      const tag = Number(entries.readBigInt64LE(at));
      const value = Number(entries.readBigUInt64LE(at + 8));
      if (tag === DT_NEEDED) names.push(value);
      if (tag === DT_STRTAB) strings = value;
    }
    // The string table is given by its address in memory.
    const home = segments.find((s) => s.type === PT_LOAD && strings >= s.address && strings < s.address + s.size);
    if (!home) return [];
    return names.map((name) => {
      const text = read(home.offset + strings - home.address + name, 256);
      return text.toString('latin1', 0, text.indexOf(0));
    });
  } finally {
    closeSync(handle);
  }
}
