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

  // A new trace holds nothing that was submitted before it, even if it is not done yet.
  device.run(axpy({ n, a: 1 }), { x, y });
  device.flush();
  tracer.restart();
  device.run(axpy({ n, a: 1 }), { x, y });
  await device.finish();
  await tracer.settled();
  assert.is(tracer.kernels.length, 1);
  assert.equal(tracer.idle, { nanoseconds: 0, longest: 0, before: null });

  // Only what neither of two overlapping kernels covers is idle.
  const at = (name: string, begin: number, end: number) =>
    tracer.kernels.push({ name, begin, end, flops: 0, bytes: 0 });
  tracer.restart();
  at('second', 10, 40);
  at('first', 0, 9);
  at('inside', 20, 30);
  at('last', 45, 50);
  assert.equal(tracer.idle, { nanoseconds: 6, longest: 5, before: 'last' });
  await device.close();
});

test.run();
