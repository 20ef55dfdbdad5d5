/**
 * WGSL: a workgroup of `size` invocations runs `body` for every element i of channel `c` of an array
 * [u.batch, u.channels, u.plane], each as the invocation `lane`.
 */
export const forEachInChannel = (size: number, body: string): string => `
  for (var n = 0u; n < u.batch; n++) {
    let base = (n * u.channels + c) * u.plane;
    for (var i = base + lane; i < base + u.plane; i += ${size}u) { ${body} }
  }`;
