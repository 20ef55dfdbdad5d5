import { axpy } from '@cim/kernels';
import { Device } from '@cim/runtime';
import { testDriver } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('trace');

test('every dispatch has its time, also when there are more than one query set holds', async () => {
  const device = await Device.open({ driver: testDriver(), trace: true });
  const { tracer } = device;
  assert.ok(tracer, 'the adapter has timestamp queries');
  const n = 4096;
  const x = device.zeros([n]);
  const y = device.zeros([n]);
  const count = 2500;
  for (let i = 0; i < count; i++) device.run(axpy({ n, a: 1 }), { x, y });
  await device.finish();
  await tracer.settled();

  assert.is(tracer.kernels.length, count);
  assert.ok(tracer.kernels.every(({ begin, end }) => end >= begin));
  const [total] = tracer.summary();
  assert.is(total.count, count);
  assert.is(total.flops, 2 * n * count);
  assert.ok(total.nanoseconds > 0);
  assert.ok(tracer.busyShare > 0 && tracer.busyShare <= 1.01, `busy ${tracer.busyShare}`);
  const { traceEvents } = tracer.chromeTrace() as { traceEvents: { ph: string; ts?: number; dur?: number }[] };
  const spans = traceEvents.filter(({ ph }) => ph === 'X');
  assert.is(spans.length, count);
  assert.is(Math.min(...spans.map(({ ts }) => ts!)), 0);
  await device.close();
});

test.run();
