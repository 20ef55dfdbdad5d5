/** Files beside the tests, on every platform. */

/** Reads a file by its path in the folder of tests. In a browser, the test runner serves data alone. */
export async function readTestFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  if ('document' in globalThis) {
    const response = await fetch(`/${path}`);
    if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
  const { readFile } = await import('node:fs/promises');
  return Uint8Array.from(await readFile(new URL(path, import.meta.url)));
}

/** What a JSON file holds, plain or, if its name ends in `.gz`, compressed. */
export async function readTestJson(path: string): Promise<unknown> {
  const bytes = await readTestFile(path);
  if (!path.endsWith('.gz')) return new Response(bytes).json();
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}
