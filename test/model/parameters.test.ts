import { constant } from '@cim/model/nn/initialise';
import { ParameterStore } from '@cim/model/nn/parameters';
import { functional as F, type Parameter, Tape } from '@cim/runtime';
import { expectClose, randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('parameters');
const device = await testDevice();

test('gradients add up over backward passes until they are forgotten', async () => {
  const store = new ParameterStore(device, null);
  const parameter = store.scope().parameter('weight', [37], constant(0)) as Parameter;
  const idle = store.scope().parameter('idle', [5], constant(0)) as Parameter;
  const backward = (seed: number): Float32Array => {
    const gradient = randomArray([37], seed);
    device.scope(() => {
      const tape = new Tape(device);
      tape.backward(F.scale(tape, parameter, 2), device.tensor(gradient));
    });
    return gradient;
  };
  // What stands there is no gradient yet.
  parameter.grad.write(new Float32Array(37).fill(1000));
  const [a, b] = [backward(1), backward(2)];
  expectClose(
    await parameter.grad.read(),
    a.map((value, i) => 2 * (value + b[i])),
  );
  store.zeroGrad();
  assert.not(parameter.touched);
  const c = backward(3);
  expectClose(
    await parameter.grad.read(),
    c.map((value) => 2 * value),
  );
  assert.ok(parameter.touched);
  assert.not(idle.touched);
  store.dispose();
});

test.run();
