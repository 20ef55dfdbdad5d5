/** Files of a network, as they arrive. */
import { type ByteSource, checkpointFailure, type Fail } from '../../formats/bytes.ts';

/** A file on its way. */
export interface Download extends ByteSource {
  /** Stops what still comes. */
  close(): void;
}

interface Chunk {
  readonly begin: number;
  readonly bytes: Uint8Array;
  /** Bytes of it that nobody has read. */
  unread: number;
}

/**
 * Bytes of a stream as a source. Those that are read in the order in which they come are never in memory together;
 * others wait until they are read. Each can be read once.
 */
class StreamedBytes implements Download {
  readonly size: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #fail: Fail;
  readonly #onBytes: (count: number) => void;
  #chunks: Chunk[] = [];
  #received = 0;

  constructor(stream: ReadableStream<Uint8Array>, size: number, fail: Fail, onBytes: (count: number) => void) {
    this.size = size;
    this.#reader = stream.getReader();
    this.#fail = fail;
    this.#onBytes = onBytes;
  }

  async read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const end = position + length;
    while (this.#received < end) await this.#receive();
    const bytes = new Uint8Array(length);
    for (const chunk of this.#chunks) {
      const from = Math.max(position, chunk.begin);
      const to = Math.min(end, chunk.begin + chunk.bytes.length);
      if (from >= to) continue;
      bytes.set(chunk.bytes.subarray(from - chunk.begin, to - chunk.begin), from - position);
      chunk.unread -= to - from;
    }
    this.#chunks = this.#chunks.filter(({ unread }) => unread > 0);
    return bytes;
  }

  async #receive(): Promise<void> {
    const { done, value } = await this.#reader
      .read()
      .catch((error: Error) => this.#fail(`the connection broke (${error.message})`, error));
    if (done) return this.#fail(`the download ended at byte ${this.#received} of ${this.size}`);
    this.#chunks.push({ begin: this.#received, bytes: value, unread: value.length });
    this.#received += value.length;
    this.#onBytes(this.#received);
  }

  close(): void {
    this.#reader.cancel().catch(() => {});
  }
}

/**
 * Begins to download weights.
 *
 * @param onBytes told how many have come.
 * @throws CheckpointError naming the address when the server has no such file; also from `read`, when the connection breaks.
 */
export async function download(address: string, onBytes: (received: number) => void): Promise<Download> {
  const fail = checkpointFailure(address);
  const response = await fetchFile(address, fail);
  const length = response.headers.get('content-length');
  const encoded = response.headers.get('content-encoding') !== null;
  if (response.body && length !== null && !encoded) {
    return new StreamedBytes(response.body, Number(length), fail, onBytes);
  }
  const bytes = await response.arrayBuffer().catch((error: Error) => fail(error.message, error));
  onBytes(bytes.byteLength);
  return {
    size: bytes.byteLength,
    read: async (position, count) => new Uint8Array(bytes.slice(position, position + count)),
    close: () => {},
  };
}

/** @param fail told why there is no such file. */
export async function fetchFile(address: string, fail: Fail): Promise<Response> {
  const response = await fetch(address).catch((error: Error) => fail(`the server does not answer (${error.message})`));
  if (!response.ok) fail(`the server answers ${response.status} ${response.statusText}`.trimEnd());
  return response;
}
