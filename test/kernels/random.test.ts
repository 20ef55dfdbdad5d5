import { defineKernel, linearGrid, linearIndex, philox as philoxWgsl, u32, wgsl, write } from '@cim/kernels';
import { Generator, philox } from '@cim/runtime';
import { gpuTests, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('random');
const gpuTest = gpuTests({ test });

const N = 130;

/** Blocks of N successive counters, and the first uniform of each. */
const blocks = (seed: number, counter: number, stream: number) =>
  defineKernel({
    name: 'test.philox',
    bindings: { words: write('u32'), uniforms: write() },
    uniforms: {
      seed: u32(seed),
      counterLow: u32(counter >>> 0),
      counterHigh: u32(Math.floor(counter / 2 ** 32)),
      stream: u32(stream),
      n: u32(N),
    },
    grid: linearGrid(N, 64),
    source: () => wgsl`${philoxWgsl}
${linearIndex(64)}
  if (i >= u.n) { return; }
  let block = philox(u.seed, counterAt(vec2u(u.counterLow, u.counterHigh), i), u.stream);
  words[4u * i] = block.x;
  words[4u * i + 1u] = block.y;
  words[4u * i + 2u] = block.z;
  words[4u * i + 3u] = block.w;
  uniforms[i] = uniform24(block.x);
}`,
  });

for (const [seed, counter, stream] of [
  [0, 0, 0],
  [3, 12345, 0],
  [0xffffffff, 2 ** 32 - 65, 0xfffffffe],
  [42, 2 ** 52 + 17, 7],
]) {
  gpuTest(`philox of seed ${seed}, counter ${counter}, stream ${stream} is the host's`, async ({ device }) => {
    const { words } = await runKernel(device, blocks(seed, counter, stream), { words: 4 * N, uniforms: N });
    const expected = Array.from({ length: N }, (_, i) => philox(seed, counter + i, stream)).flat();
    assert.equal([...words], expected);
  });
}

gpuTest('uniforms are those of a Generator', async ({ device }) => {
  const { uniforms } = await runKernel(device, blocks(9, 1000, 0), { words: 4 * N, uniforms: N });
  const generator = new Generator(9, 1000);
  assert.equal(
    [...uniforms],
    Array.from({ length: N }, () => generator.uniform()),
  );
});

test.run();
