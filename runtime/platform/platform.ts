/** `navigator.gpu` where there is one, Dawn in Node. */
export async function findGpu(): Promise<GPU> {
  if (globalThis.navigator?.gpu || typeof process === 'undefined' || !process.versions?.node) {
    return (await import('./browser.ts')).browserGpu();
  }
  return (await import('./node.ts')).nodeGpu();
}
