/** Parts of a network that run again in the backward pass, or are freed where no gradient needs them. */
import { functional as F, Tape, type Tensor } from '@cim/runtime';
import { randomArray, testDevice } from '@cim/runtime/testing';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('checkpoint');
const device = await testDevice();

const shape = [1, 6, 12, 11];
const kernel = [6, 6, 3, 3];
const make = (sizes: readonly number[], seed: number): Tensor => device.tensor(randomArray(sizes, seed), sizes);
const parameter = (sizes: number[], seed: number) =>
  Object.assign(make(sizes, seed), { requiresGrad: true, touched: false, grad: device.zeros(sizes) });

type Part = (tape: Tape, inputs: readonly Tensor[]) => Tensor;
type Runner = (tape: Tape, inputs: readonly Tensor[], work: Part) => Tensor;
const runners: Record<string, Runner> = {
  plain: (tape, inputs, work) => work(tape, inputs),
  section: (tape, inputs, work) => tape.section(() => work(tape, inputs)),
  checkpoint: (tape, inputs, work) => tape.checkpoint(inputs, work),
};

/** Two parts of convolutions: the input goes to both, the output of one is used again behind the other. */
async function train(run: Runner, wantsInput: boolean) {
  const weights = [1, 2, 3, 4].map((seed) => parameter(kernel, seed));
  const block =
    (a: Tensor, b: Tensor): Part =>
    (tape, [x, residual = x]) => {
      let hidden = x;
      for (let i = 0; i < 5; i++) hidden = F.conv2d(tape, hidden, a, null, { padding: 1, relu: true });
      return F.conv2d(tape, hidden, b, null, { padding: 1, residual, relu: true });
    };
  const x = make(shape, 5);
  x.requiresGrad = wantsInput;
  const tape = new Tape(device);
  tape.keep(x);
  let most = 0;
  const before = device.memoryUse.requested;
  device.memory.onChange = ({ requested }) => (most = Math.max(most, requested - before));
  const one = run(tape, [x], block(weights[0], weights[1]));
  const two = run(tape, [one, x], block(weights[2], weights[3]));
  const y = tape.keep(F.add(tape, two, one));
  const gradient = make(y.shape, 6);
  tape.backward(y, gradient);
  device.memory.onChange = undefined;
  const results = [await y.read(), ...(await Promise.all(weights.map(({ grad }) => grad.read())))];
  if (wantsInput) results.push(await tape.gradient(x)!.read());
  assert.ok(weights.every(({ touched }) => touched));
  for (const tensor of [tape.takeGradient(x), tape.takeGradient(y), y, gradient]) tensor?.dispose();
  assert.is(device.memoryUse.requested, before);
  return { results, most };
}

for (const wantsInput of [false, true]) {
  test(`the same bits and less memory, ${wantsInput ? 'with' : 'without'} a gradient of the input`, async () => {
    const plain = await train(runners.plain, wantsInput);
    const section = await train(runners.section, wantsInput);
    const checkpoint = await train(runners.checkpoint, wantsInput);
    assert.equal(section.results, plain.results);
    assert.equal(checkpoint.results, plain.results);
    assert.is(section.most, plain.most);
    assert.ok(checkpoint.most < plain.most, `${checkpoint.most} of ${plain.most} bytes`);
  });
}

test('what gives no gradient leaves nothing but its output', () => {
  const [a, b] = [make(kernel, 1), make(kernel, 2)];
  const x = make(shape, 3);
  const work: Part = (own, [input]) => F.conv2d(own, F.conv2d(own, input, a, null), b, null);
  for (const recording of [false, true]) {
    for (const name of ['section', 'checkpoint']) {
      const tape = new Tape(device, { recording });
      const before = device.memoryUse.requested;
      const y = runners[name](tape, [x], work);
      assert.is(device.memoryUse.requested - before, y.bytes, name);
      assert.not(y.requiresGrad);
      y.dispose();
    }
  }
});

test('a tape without gradients of parameters runs again only for its inputs', () => {
  const weight = parameter(kernel, 1);
  const work: Part = (own, [input]) => F.relu(own, F.conv2d(own, input, weight, null));
  for (const requiresGrad of [false, true]) {
    const tape = new Tape(device, { trains: false });
    const x = Object.assign(make(shape, 2), { requiresGrad });
    const y = tape.checkpoint([x], work);
    const before = device.dispatches;
    tape.backward(y, make(y.shape, 3));
    assert.is(device.dispatches > before, requiresGrad);
    assert.is(tape.gradient(x) !== undefined, requiresGrad);
    assert.not(weight.touched);
  }
});

test('what a section keeps stays', async () => {
  const tape = new Tape(device, { recording: false });
  const x = make(shape, 1);
  let hidden: Tensor;
  tape.section(() => {
    hidden = tape.keep(F.relu(tape, x));
    return F.relu(tape, hidden);
  });
  assert.is((await hidden!.read()).length, x.size);
});

test.run();
