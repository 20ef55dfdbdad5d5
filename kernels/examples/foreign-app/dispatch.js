/** All that a WebGPU app needs to run kernels of @cim/kernels on its own GPUDevice; copy it. */

/** A storage buffer that holds a typed array. */
export function upload(device, data) {
  const buffer = allocate(device, data.byteLength);
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** A storage buffer of `bytes` zeros. */
export function allocate(device, bytes) {
  const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
  return device.createBuffer({ size: Math.max(4, bytes), usage: STORAGE | UNIFORM | COPY_SRC | COPY_DST });
}

/** What a buffer holds once the GPU is done with it. */
export async function download(device, buffer, Numbers = Float32Array) {
  const staging = device.createBuffer({ size: buffer.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const numbers = new Numbers(staging.getMappedRange().slice(0));
  staging.destroy();
  return numbers;
}

/** Runs kernels one after the other, each as [kernel, its buffers by the names of its bindings]. */
export function run(device, ...steps) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  const blocks = [];
  for (const [kernel, buffers] of steps) {
    const bound = Object.keys(kernel.bindings).map((name) => buffers[name]);
    const uniforms = kernel.uniformData();
    if (uniforms) {
      blocks.push(upload(device, uniforms));
      bound.push(blocks.at(-1));
    }
    const { pipeline, layout } = pipelineOf(device, kernel);
    const entries = bound.map((buffer, binding) => ({ binding, resource: { buffer } }));
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(...kernel.grid);
  }
  pass.end();
  device.queue.submit([encoder.finish()]);
  for (const block of blocks) block.destroy();
}

/** The steps of a plan (what a candidate of a family gives) for {@link run}, `operands` being buffers by name. */
export function stepsOf(device, { steps, scratch, words }, operands) {
  const buffers = { ...operands };
  for (const [name, count] of Object.entries({ ...scratch, ...words })) buffers[name] = allocate(device, 4 * count);
  return steps.map(({ kernel, tensors }) => [
    kernel,
    Object.fromEntries(Object.entries(tensors).map(([binding, name]) => [binding, buffers[name]])),
  ]);
}

const compiled = new WeakMap();

/** Sizes are uniforms, so a pipeline serves all of them: compiled once for every `kernel.key`. */
function pipelineOf(device, kernel) {
  if (!compiled.has(device)) compiled.set(device, new Map());
  const pipelines = compiled.get(device);
  if (!pipelines.has(kernel.key)) {
    const types = Object.values(kernel.bindings).map(({ access }) =>
      access === 'read' ? 'read-only-storage' : 'storage',
    );
    if (kernel.uniforms.length > 0) types.push('uniform');
    const entries = types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
    const layout = device.createBindGroupLayout({ entries });
    const pipeline = device.createComputePipeline({
      label: kernel.key,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: device.createShaderModule({ label: kernel.key, code: kernel.wgsl }) },
    });
    pipelines.set(kernel.key, { pipeline, layout });
  }
  return pipelines.get(kernel.key);
}
