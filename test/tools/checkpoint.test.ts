/** A checkpoint does not show what a binding of the device that wrote it could hold. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Conv2d, Linear } from '@cim/model/nn/layers';
import { ParameterStore } from '@cim/model/nn/parameters';
import { Solver, type SolverConfig } from '@cim/model/solver/solver';
import { Device, Generator, ShardedTensor, Tape } from '@cim/runtime';
import { randomArray, testDevice, testDriver } from '@cim/runtime/testing';
import { CheckpointError } from '@cim/tools/errors';
import { readSafetensors } from '@cim/tools/formats/safetensors';
import { readCheckpoint, restoreTraining, saveCheckpoint } from '@cim/tools/pipeline/checkpoint';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder, tinyRecipe } from './tiny-run.ts';

const test = suite('checkpoints');
const folder = temporaryFolder('checkpoints');
const whole = await testDevice();
const sharding = await Device.open({ driver: testDriver(), maxBinding: 4096 });
test.after(() => sharding.close());

const solverConfig: SolverConfig = {
  type: 'adamw',
  betas: [0.9, 0.999],
  weightDecay: 1e-2,
  biasDecay: false,
  biasLrFactor: 1,
  lrFactors: [],
  clipNorm: null,
  schedule: { baseLr: 1e-2, warmupSteps: 0, warmupFactor: 1, decay: { type: 'step', decaySteps: [], gamma: 0.1 } },
};
const info = { kind: 'cim', recipe: await tinyRecipe(), classes: [{ id: 1, name: 'thing' }] } as const;

/** A convolution and a linear layer with more weights than 4 KiB hold, and what trains them. */
class Training {
  readonly #device: Device;
  readonly #conv: Conv2d;
  readonly #linear: Linear;
  readonly store: ParameterStore;
  readonly #solver: Solver;
  readonly #generator: Generator;
  readonly #name: string;

  constructor(name: string, device: Device) {
    this.#name = name;
    this.#device = device;
    this.#generator = new Generator(1);
    this.store = new ParameterStore(device, this.#generator);
    const root = this.store.scope();
    this.#conv = new Conv2d(root.child('conv'), 5, 33, { kernel: 3, bias: true });
    this.#linear = new Linear(root.child('fc'), 33 * 4, 17);
    this.#solver = new Solver(device, this.store, solverConfig);
  }

  step(step: number): void {
    const device = this.#device;
    device.scope(() => {
      const tape = new Tape(device);
      const pass = { tape, batchStatistics: false };
      const x = this.#conv.forward(pass, device.tensor(randomArray([1, 5, 4, 4], step), [1, 5, 4, 4]), { relu: true });
      const y = this.#linear.forward(pass, tape.reshape(x, [1, -1]));
      this.store.zeroGrad();
      tape.backward(y, device.tensor(randomArray(y.shape, 50 + step)));
      this.#solver.step(step);
    });
  }

  async save(step: number): Promise<string> {
    const path = join(folder, `${this.#name}-${step}.safetensors`);
    await saveCheckpoint(path, { ...info, step }, this.store, this.#solver, this.#generator);
    return path;
  }

  async resume(path: string): Promise<void> {
    await restoreTraining(await readCheckpoint(path, 'cim'), this.store, this.#solver, this.#generator);
  }

  dispose(): void {
    this.#solver.dispose();
    this.store.dispose();
  }
}

test('one written from shards is loaded whole and the other way round, to the same bytes', async () => {
  const first = new Training('sharded', sharding);
  assert.instance(first.store.tensors.get('conv.weight'), ShardedTensor);
  assert.instance(first.store.tensors.get('fc.weight'), ShardedTensor);
  for (const step of [0, 1]) first.step(step);
  const path = await first.save(2);
  const { tensors } = await readSafetensors(path);
  assert.equal(
    [...tensors].map(([name, { shape }]) => [name, shape]),
    ['', 'solver.m.', 'solver.v.'].flatMap((prefix) => [
      [`${prefix}conv.weight`, [33, 5, 3, 3]],
      [`${prefix}conv.bias`, [33]],
      [`${prefix}fc.weight`, [17, 132]],
      [`${prefix}fc.bias`, [17]],
    ]),
  );
  for (const [name, { data }] of tensors)
    assert.ok(
      (data as Float32Array).some((value) => value !== 0),
      name,
    );

  const second = new Training('whole', whole);
  await second.resume(path);
  const copied = await second.save(2);
  assert.ok(readFileSync(copied).equals(readFileSync(path)));
  const third = new Training('again', sharding);
  await third.resume(copied);
  assert.ok(readFileSync(await third.save(2)).equals(readFileSync(path)));

  for (const training of [first, third]) training.step(2);
  assert.ok(readFileSync(await third.save(3)).equals(readFileSync(await first.save(3))));
  for (const training of [first, second, third]) training.dispose();
});

test('the state of a solver that keeps other moments is refused', async () => {
  const training = new Training('moments', whole);
  const sgd = new Solver(whole, training.store, {
    ...solverConfig,
    type: 'sgd',
    momentum: 0.9,
    scaleMomentum: false,
  });
  const path = join(folder, 'sgd.safetensors');
  await saveCheckpoint(path, { ...info, step: 1 }, training.store, sgd, new Generator(1));
  const error = await rejection(training.resume(path));
  assert.instance(error, CheckpointError);
  assert.match(error.message, /sgd\.safetensors.*missing.*m\.conv\.weight.*unexpected.*momentum\.conv\.weight/s);
  sgd.dispose();
  training.dispose();
});

test.run();
