/** Counts what kernels really load and store, by running them with counters in their text. */
import type { Kernel } from '@cim/kernels/kernel';
import { type Binding, write } from '@cim/kernels/kernel';
import type { Plan } from '@cim/kernels/plan';
import type { Device, Tensor } from '@cim/runtime';
import { runPlan } from '@cim/runtime/plan';
import { endOf, wordsOfType } from './text.ts';

/** Bytes that all invocations together ask storage buffers for, whether caches have them or not. */
export interface Traffic {
  readonly loaded: number;
  readonly stored: number;
}

const COUNTS = 'trafficCounts_';

/**
 * The kernel with an atomic counter for every byte that it loads or stores: the index of each access first calls a
 * function that counts, and the end of an invocation adds its counts to the binding, which has 64 bits for each kind.
 */
export function counting(kernel: Kernel): Kernel {
  const names = Object.keys(kernel.bindings);
  let text = kernel.wgsl;
  const entry = /@compute\s+(@workgroup_size\([^)]*\))\s*fn main\(/.exec(text)!;
  const open = entry.index + entry[0].length - 1;
  const parameters = text.slice(open + 1, endOf(text, open, '(', ')'));
  const plain = parameters.replace(/@builtin\(\w+\)\s*/g, '');
  const passed = [...plain.matchAll(/(\w+)\s*:/g)].map(([, name]) => name);
  text = `${text.slice(0, entry.index)}fn countedMain_(${plain}${text.slice(open + 1 + parameters.length)}`;
  // The uniform block moves behind the counters.
  text = text.replace(`@binding(${names.length}) var<uniform>`, `@binding(${names.length + 1}) var<uniform>`);
  for (const name of names) text = countAccesses(text, name, elementBytes(kernel.bindings[name]));
  const declared = `
@group(0) @binding(${names.length}) var<storage, read_write> ${COUNTS}: array<atomic<u32>>;
var<private> loaded_: u32;
var<private> stored_: u32;
fn load_(bytes: u32) -> u32 { loaded_ += bytes; return 0u; }
fn store_(bytes: u32) -> u32 { stored_ += bytes; return 0u; }
fn total_(at: u32, bytes: u32) {
  if (atomicAdd(&${COUNTS}[at], bytes) > 0xffffffffu - bytes) { atomicAdd(&${COUNTS}[at + 1u], 1u); }
}
@compute ${entry[1]}
fn main(${parameters}) {
  countedMain_(${passed.join(', ')});
  total_(0u, loaded_);
  total_(2u, stored_);
}`;
  return {
    name: kernel.name,
    key: `${kernel.key}|counting`,
    bindings: { ...kernel.bindings, [COUNTS]: write('atomic<u32>') },
    uniforms: kernel.uniforms,
    grid: kernel.grid,
    requires: kernel.requires,
    flops: kernel.flops,
    bytes: kernel.bytes,
    wgsl: text + declared,
    uniformData: () => kernel.uniformData(),
  };
}

const elementBytes = ({ element }: Binding): number => (element === 'f16' ? 2 : 4 * wordsOfType(element));

function countAccesses(text: string, name: string, bytes: number): string {
  const access = new RegExp(`\\b${name}\\[`, 'g');
  let result = '';
  let done = 0;
  for (let match = access.exec(text); match; match = access.exec(text)) {
    const open = match.index + match[0].length - 1;
    const close = endOf(text, open, '[', ']');
    const behind = /^(\.\w+)?\s*([-+*/|&^]?=)(?!=)/.exec(text.slice(close + 1));
    const calls = [
      ...(behind ? [`store_(${bytes}u)`] : []),
      ...(behind && behind[2] === '=' ? [] : [`load_(${bytes}u)`]),
    ];
    result += `${text.slice(done, open + 1)}${calls.join(' + ')} + (`;
    // Accesses within the index are rewritten too: they come next.
    const inner = countAccesses(text.slice(open + 1, close), name, bytes);
    result += `${inner})`;
    done = close;
    access.lastIndex = close;
  }
  return result + text.slice(done);
}

/** Runs the plan once, every kernel with its counters. */
export async function countTraffic(
  device: Device,
  plan: Plan,
  operands: Readonly<Record<string, Tensor>>,
): Promise<Traffic> {
  const counts = device.zeros([4], 'u32');
  const steps = plan.steps.map(({ kernel, tensors }) => ({
    kernel: counting(kernel),
    tensors: { ...tensors, [COUNTS]: COUNTS },
  }));
  runPlan(device, { ...plan, steps }, { ...operands, [COUNTS]: counts });
  const [loaded, loadedHigh, stored, storedHigh] = await counts.read();
  counts.dispose();
  return { loaded: loadedHigh * 2 ** 32 + loaded, stored: storedHigh * 2 ** 32 + stored };
}
