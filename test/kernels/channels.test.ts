import * as kernels from '@cim/kernels';
import * as reference from '@cim/kernels/channels/channels.reference';
import { expectClose, gpuTests, randomArray, runKernel } from '@cim/runtime/testing';
import { suite } from 'uvu';

const test = suite('windows of channels');
const gpuTest = gpuTests({ test });

const WINDOWS: kernels.ChannelWindow[] = [
  { outer: 1, channels: 5, inner: 1, first: 0, count: 5 },
  { outer: 7, channels: 13, inner: 1, first: 12, count: 1 },
  { outer: 3, channels: 67, inner: 1, first: 5, count: 33 },
  { outer: 5, channels: 11, inner: 49, first: 3, count: 7 },
];

for (const window of WINDOWS) {
  const { outer, channels, inner, count } = window;
  const whole = randomArray([outer, channels, inner], 1);
  const part = randomArray([outer, count, inner], 2);
  const bias = randomArray([channels], 3);

  gpuTest(`take ${JSON.stringify(window)}`, async ({ device }) => {
    const found = await runKernel(device, kernels.takeChannels(window), { x: whole, part: part.length });
    expectClose(found.part, reference.takeChannels(window, whole));
  });

  gpuTest(`place ${JSON.stringify(window)}`, async ({ device }) => {
    for (const [useBias, relu] of [
      [false, false],
      [true, false],
      [true, true],
    ]) {
      const kernel = kernels.placeChannels({ ...window, bias: useBias, relu });
      const { y } = await runKernel(device, kernel, { part, bias, y: whole });
      expectClose(y, reference.placeChannels(window, part, whole, useBias ? bias : null, relu));
    }
  });
}

test.run();
