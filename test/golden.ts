/** Golden files: results of the original program, as .safetensors in test/golden. */
import { readFileSync } from 'node:fs';

export interface GoldenTensor<T extends ArrayLike<number> = Float32Array> {
  readonly shape: readonly number[];
  readonly data: T;
}

type Elements = { F32: Float32Array; I32: Int32Array; U8: Uint8Array };

export interface Golden {
  /** F32 unless another dtype is asked for. @throws when the file has no such tensor, or of another dtype. */
  tensor(name: string): GoldenTensor;
  tensor<D extends keyof Elements>(name: string, dtype: D): GoldenTensor<Elements[D]>;
  has(name: string): boolean;
  /** How the case was made; values that are JSON are parsed. */
  readonly options: Readonly<Record<string, any>>;
}

/** Reads `test/golden/NAME.safetensors`. */
export function golden(name: string): Golden {
  const file = readFileSync(new URL(`./golden/${name}.safetensors`, import.meta.url));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...header } = JSON.parse(file.toString('utf8', 8, 8 + headerBytes));
  const data = 8 + headerBytes;
  return {
    has: (tensor) => tensor in header,
    tensor(tensor: string, dtype: keyof Elements = 'F32'): GoldenTensor<any> {
      const entry = header[tensor];
      if (entry?.dtype !== dtype) throw new Error(`${name}.safetensors has no ${dtype} tensor ${tensor}: ${entry?.dtype}.`);
      const Type = { F32: Float32Array, I32: Int32Array, U8: Uint8Array }[dtype];
      const [begin, end] = entry.data_offsets;
      return { shape: entry.shape, data: new Type(new Uint8Array(file.subarray(data + begin, data + end)).buffer) };
    },
    options: Object.fromEntries(Object.entries<string>(metadata).map(([key, text]) => [key, parsed(text)])),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
