/** A device that lacks what is needed says what, and how much of it. */
import { defineKernel, type Requirements, write } from '@cim/kernels/kernel';
import { LimitError } from '@cim/runtime';
import { testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('limits');
const device = await testDevice();

function limitError(work: () => unknown): LimitError {
  try {
    work();
  } catch (error) {
    assert.instance(error, LimitError);
    assert.match((error as LimitError).remedy, 'another adapter');
    return error as LimitError;
  }
  return assert.unreachable('it was accepted') as never;
}

/** A kernel that fills one element and asks for more than that takes. */
const demanding = (name: string, requires: Requirements) =>
  defineKernel({
    name: `test.${name}`,
    bindings: { y: write() },
    grid: [1, 1, 1],
    requires,
    source: () => '@compute @workgroup_size(1) fn main() { y[0] = 1.0; }',
  });

test('a tensor larger than the largest binding', () => {
  const limit = device.maxBinding;
  const before = device.memoryUse.live;
  const { message } = limitError(() => device.empty([limit / 4 + 64]));
  assert.match(message, /A tensor \[\d+\] of [\d.]+ \w+ exceeds the adapter's largest binding, [\d.]+ \w+\./);
  assert.is(device.memoryUse.live, before);
});

test('a kernel that needs more invocations or workgroup memory', () => {
  const y = device.zeros([4]);
  const { maxComputeInvocationsPerWorkgroup: invocations, maxComputeWorkgroupStorageSize: bytes } = device.limits;
  const many = limitError(() => device.run(demanding('many', { invocations: invocations + 1 }), { y }));
  assert.match(many.message, `test.many needs ${invocations + 1} invocations`);
  assert.match(many.message, `maxComputeInvocationsPerWorkgroup is ${invocations}.`);
  const large = limitError(() => device.run(demanding('large', { workgroupBytes: bytes + 4 }), { y }));
  assert.match(large.message, `test.large needs ${bytes + 4} bytes of workgroup memory`);
  assert.match(large.message, `maxComputeWorkgroupStorageSize is ${bytes}.`);
  y.dispose();
});

test('a kernel that needs a feature', () => {
  const y = device.zeros([4]);
  const absent = 'a-feature-of-tomorrow' as 'subgroups';
  const { message } = limitError(() => device.run(demanding('feature', { features: [absent] }), { y }));
  assert.match(message, 'test.feature needs the feature a-feature-of-tomorrow');
  y.dispose();
});

test('the device goes on working', async () => {
  const y = device.zeros([1]);
  device.run(demanding('modest', { invocations: 1 }), { y });
  assert.equal([...(await y.read())], [1]);
  y.dispose();
});

test.run();
