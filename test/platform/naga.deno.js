// Run by Deno, whose WebGPU compiles with naga: WGSL texts as JSON on stdin, one line of JSON for each on stdout.
const kernels = JSON.parse(await new Response(Deno.stdin.readable).text());
const adapter = await navigator.gpu.requestAdapter();
if (!adapter) throw new Error('Deno finds no adapter.');
const device = await adapter.requestDevice();

const say = (result) => Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(result)}\n`));

for (const { key, wgsl } of kernels) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: wgsl });
  device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const error = await device.popErrorScope();
  say({ key, error: error?.message });
}
