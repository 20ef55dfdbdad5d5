import { create, globals } from 'webgpu';

// Dawn's instance must outlive every object made from it: a collected instance crashes the process.
let instance: GPU | undefined;

/** Dawn through the npm package `webgpu`. */
export function nodeGpu(): GPU {
  if (!instance) {
    Object.assign(globalThis, globals);
    instance = create([]);
  }
  return instance;
}
