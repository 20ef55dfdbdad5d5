import { patiently } from '@cim/runtime/platform/patience';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('patience');

/** A promise as Dawn keeps it: looked after at every turn of the event loop, which it counts. */
function polled(milliseconds: number): Promise<number> {
  const begin = performance.now();
  let turns = 0;
  return new Promise((resolve) => {
    const poll = (): void => {
      turns++;
      if (performance.now() - begin < milliseconds) setImmediate(poll);
      else resolve(turns);
    };
    setImmediate(poll);
  });
}

test('waiting takes few turns of the event loop, and turns are free again afterwards', async () => {
  const impatient = await polled(60);
  const patient = await patiently(polled(60));
  assert.ok(patient < 200, `${patient} turns in 60 ms`);
  assert.ok(impatient > 3 * patient, `${impatient} turns without patience`);
  assert.ok((await polled(60)) > 3 * patient, 'nothing is awaited any more');
});

test('short waits are not made longer', async () => {
  const durations: number[] = [];
  for (let i = 0; i < 51; i++) {
    const begin = performance.now();
    await patiently(polled(0.2));
    durations.push(performance.now() - begin);
  }
  const median = durations.sort((a, b) => a - b)[25];
  assert.ok(median < 0.8, `a wait of 0.2 ms took ${median.toFixed(2)} ms`);
});

test('a failure comes through and ends the wait', async () => {
  const failing = patiently(polled(1).then(() => Promise.reject(new RangeError('lost'))));
  await failing.then(
    () => assert.unreachable(),
    (error) => assert.instance(error, RangeError),
  );
  assert.ok((await polled(30)) > 100, 'nothing is awaited any more');
});

test.run();
