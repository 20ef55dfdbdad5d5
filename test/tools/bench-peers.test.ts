/** The comparison with other libraries, without any of them: `cim bench --peers` installs them, tests do not. */
import { readFileSync } from 'node:fs';
import { HRNet } from '@cim/model/backbone/hrnet';
import { type HRNetConfig, hrnet } from '@cim/model/backbone/index';
import { ParameterStore } from '@cim/model/nn/parameters';
import { Generator, Tape } from '@cim/runtime';
import { testDevice, testDriver } from '@cim/runtime/testing';
import { coldItems, coldStarts } from '@cim/tools/bench/compare/cold';
import { expectedOf, placesOf, prepare } from '@cim/tools/bench/compare/compare';
import { Contender, type Entrant, type Surroundings } from '@cim/tools/bench/compare/contender';
import { comparisonHtml } from '@cim/tools/bench/compare/html';
import { comparisonItems } from '@cim/tools/bench/compare/items';
import { natives, OURS, PEERS } from '@cim/tools/bench/compare/lineup';
import { type Comparison, comparisonText } from '@cim/tools/bench/compare/report';
import { best, type Competitor, compare, type Outcome, ratioOf } from '@cim/tools/bench/compare/rounds';
import { surroundingsOf } from '@cim/tools/bench/compare/surroundings';
import type { Sample } from '@cim/tools/bench/peers/contestant';
import { hrnetOnnx } from '@cim/tools/bench/peers/hrnet-onnx';
import { networkTensor } from '@cim/tools/bench/peers/hrnet-weights';
import { type ConvProblem, type Problem, type ProductProblem, permuted } from '@cim/tools/bench/problem';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { cim } from './cim.ts';
import { COLUMNS } from './tiny-contestant.ts';
import { tinyBackbones } from './tiny-networks.ts';

const test = suite('bench --peers');

const conv = { n: 2, ci: 3, h: 7, w: 6, co: 5, kh: 3, kw: 3, stride: 2, padding: 1, dilation: 1 };
const PROBLEMS: readonly (ConvProblem | ProductProblem)[] = [
  { family: 'conv.forward', shape: conv },
  { family: 'conv.inputGradient', shape: conv },
  { family: 'conv.weightGradient', shape: conv },
  { family: 'gemm', shape: { m: 5, n: 7, k: 9 } },
  { family: 'gemm', shape: { m: 5, n: 7, k: 9, transposeA: true } },
  { family: 'gemm', shape: { m: 5, n: 7, k: 9, transposeB: true } },
];

/** One who takes so many seconds a run, and writes down when it is asked. */
const runner = (id: string, seconds: number, log: string[], values: readonly number[] | null = [1, 2]): Competitor => ({
  id,
  prepare: async () => values && { first: 10 * seconds, values },
  async sample(runs) {
    log.push(runs === 1 ? id : `${id}×${runs}`);
    return { wall: seconds, cpu: 2 * seconds };
  },
  release: async () => void log.push(`${id} ends`),
});

const rounds = { sampleSeconds: 0.5, samples: 4, budget: 8 };

test('contestants run by turns, the slow ones less often but over the same time', async () => {
  const log: string[] = [];
  const outcomes = await compare([runner('a', 1, log), runner('b', 4, log), runner('c', 100, log)], rounds, [1, 2]);
  // One run each to see how long it takes, then b in every second round, and c in the last.
  assert.is(log.join(' '), 'a b c a a b a a b c a ends b ends c ends');
  const { a, b, c } = outcomes;
  assert.equal(
    [a, b, c].map((outcome) => outcome.status === 'measured' && outcome.timing.samples),
    [4, 2, 1],
  );
  assert.equal(a.status === 'measured' && [a.timing.first, a.timing.wall.median, a.timing.cpu.median], [10, 1, 2]);
});

test('what is too quick for a timer is repeated within a sample', async () => {
  const log: string[] = [];
  const { a } = await compare([runner('a', 0.1, log)], { ...rounds, samples: 1 }, [1, 2]);
  assert.equal(log, ['a', 'a×2', 'a×4', 'a×8', 'a×8', 'a ends']);
  assert.is(a.status === 'measured' && a.timing.runsPerSample, 8);
});

test('a wrong result is measured but does not count; who fails is out, and the others go on', async () => {
  const log: string[] = [];
  const failing = (id: string, at: number): Competitor => {
    let samples = 0;
    const sample = async (runs: number): Promise<Sample> => {
      if (++samples === at) throw new Error(`${id} broke.`);
      return runner(id, 1, log).sample(runs);
    };
    return { ...runner(id, 1, log), sample };
  };
  const competitors = [
    runner('ours', 2, log),
    runner('wrong', 1, log, [1, 2.1]),
    runner('nan', 1, log, [1, Number.NaN]),
    runner('unable', 1, log, null),
    failing('early', 1),
    failing('late', 3),
    runner('right', 6, log, [1, 2.0001]),
  ];
  const outcomes = await compare(competitors, { ...rounds, budget: 100 }, [1, 2]);
  assert.equal(Object.fromEntries(Object.entries(outcomes).map(([id, { status }]) => [id, status])), {
    ours: 'measured',
    wrong: 'wrong',
    nan: 'wrong',
    unable: 'unsupported',
    early: 'failed',
    late: 'failed',
    right: 'measured',
  });
  assert.match((outcomes.wrong as Extract<Outcome, { status: 'wrong' }>).reason, /off by 5 %/);
  assert.is((outcomes.late as Extract<Outcome, { status: 'failed' }>).reason, 'late broke.');
  const peers = ['wrong', 'nan', 'unable', 'early', 'late', 'right', 'nobody'];
  assert.is(best(outcomes, peers), 'right');
  assert.is(ratioOf(outcomes, 'ours', peers), 3);
  assert.is(ratioOf(outcomes, 'ours', ['wrong', 'early']), undefined);
  assert.is(ratioOf(outcomes, 'wrong', ['right']), undefined);
});

test('without a reference the others are compared with the first', async () => {
  const log: string[] = [];
  const { a, b, c } = await compare(
    [runner('a', 1, log, [5, 5]), runner('b', 1, log, [5, 5]), runner('c', 1, log, [5, 6])],
    rounds,
  );
  assert.equal([a.status, b.status, c.status], ['measured', 'measured', 'wrong']);
});

test('arrays are permuted as numpy does it', () => {
  const shape = [2, 3, 4, 5];
  const values = Float32Array.from({ length: 120 }, (_, i) => i);
  const axes = [2, 0, 3, 1];
  const result = permuted(values, shape, axes);
  for (let a = 0; a < 4; a++)
    for (let b = 0; b < 2; b++)
      for (let c = 0; c < 5; c++)
        for (let d = 0; d < 3; d++)
          assert.is(result[((a * 2 + b) * 5 + c) * 3 + d], values[((b * 3 + d) * 4 + a) * 5 + c]);
});

test('places are elements of the result, the first and the last among them', () => {
  for (const problem of PROBLEMS) {
    const places = placesOf(problem);
    const size =
      problem.family === 'gemm'
        ? 35
        : { forward: 120, inputGradient: 252, weightGradient: 135 }[problem.family.slice(5)]!;
    assert.is(Math.min(...places), 0);
    assert.is(Math.max(...places), size - 1);
    assert.is(new Set(places).size, places.length);
    assert.ok(places.every(Number.isInteger));
  }
});

const tiny: Entrant = { id: 'tiny', title: 'Tiny', file: new URL('tiny-contestant.ts', import.meta.url) };
const nowhere: Surroundings = { driver: 'auto', environment: {}, openLimit: 60 };
const product = (n: number): Problem => ({ family: 'gemm', shape: { m: 3, n, k: 4 } });

test('a contestant answers from a process of its own; it may refuse, crash or hang, and is started anew', async () => {
  const contender = new Contender(tiny, nowhere);
  try {
    const right = await prepare(contender, product(7), 60);
    assert.ok(right!.first > 0);
    expectNear(right!.values, expectedOf(product(7))!);
    const sample = await contender.ask<Sample>({ type: 'sample', runs: 3 }, 60);
    assert.ok(sample.wall > 0 && sample.cpu > 0, JSON.stringify(sample));
    await contender.ask({ type: 'release' }, 60);
    assert.is(await prepare(contender, { family: 'conv.forward', shape: conv }, 60), null);
    assert.is(
      (await rejection(prepare(contender, product(COLUMNS.refused), 60))).message,
      'Three columns are too many.',
    );
    assert.is(
      (await rejection(prepare(contender, product(COLUMNS.crash), 60))).message,
      'It crashed (exit code 3). fatal error: out of columns',
    );
    await contender.open();
    assert.is(
      (await rejection(prepare(contender, product(COLUMNS.hang), 0.5))).message,
      'It did not prepare within 0.5 s.',
    );
    expectNear((await prepare(contender, product(6), 60))!.values, expectedOf(product(6))!);
  } finally {
    contender.end();
  }
});

test('who cannot be opened is not tried twice', async () => {
  for (const [entrant, driver, message] of [
    [tiny, 'hardware', /^There is no such adapter\.$/],
    [{ ...tiny, file: new URL('nothing.ts', import.meta.url) }, 'auto', /^It crashed .*Cannot find module/],
  ] as const) {
    const contender = new Contender(entrant, { ...nowhere, driver });
    const error = await rejection(contender.open());
    assert.match(error.message, message);
    assert.is(await rejection(contender.open()), error);
  }
});

test('first results are measured twice, in processes of their own', async () => {
  const items = [7, COLUMNS.wrong, COLUMNS.crash].map((n) => ({
    id: `n${n}`,
    title: '',
    flops: 1,
    problem: product(n),
  }));
  const outcomes = [];
  for await (const item of coldStarts([tiny], items, nowhere, { prepareLimit: 60 })) outcomes.push(item.outcomes.tiny);
  assert.equal(
    outcomes.map(({ status }) => status),
    ['measured', 'wrong', 'failed'],
  );
  const [right] = outcomes;
  assert.ok(right.status === 'measured');
  for (const { first, total } of [right.cold, right.warm])
    assert.ok(0 < first && first < total, `${first} of ${total}`);
});

test('our own kernels and PyTorch, where it is installed, compute the reference', async () => {
  const surroundings = await surroundingsOf(testDriver());
  for (const entrant of [OURS, ...natives()]) {
    const contender = new Contender(entrant, surroundings);
    try {
      for (const problem of PROBLEMS) {
        const prepared = await prepare(contender, problem, 120);
        expectNear(prepared!.values, expectedOf(problem)!, `${entrant.id} ${problem.family}`);
        const { wall, cpu } = await contender.ask<Sample>({ type: 'sample', runs: 2 }, 60);
        assert.ok(wall > 0 && cpu > 0, entrant.id);
        await contender.ask({ type: 'release' }, 60);
      }
    } finally {
      contender.end();
    }
  }
});

function expectNear(values: readonly number[], expected: readonly number[], label?: string): void {
  assert.is(values.length, expected.length);
  values.forEach((value, i) =>
    assert.ok(Math.abs(value - expected[i]) < 1e-4, `${label}: ${value}, not ${expected[i]}`),
  );
}

interface Model {
  readonly graph: {
    readonly node: readonly { opType: string; input: readonly string[]; output: readonly string[] }[];
    readonly initializer: readonly { name: string; dims: readonly number[]; rawData: Uint8Array }[];
    readonly input: readonly { name: string }[];
    readonly output: readonly { name: string }[];
  };
}

test('an exported HRNet has the weights and the work of ours, and every value before its use', async () => {
  const config: HRNetConfig = tinyBackbones.hrnet;
  const [height, width] = [64, 96];
  const { graph, flops } = hrnetOnnx(config, [height, width], networkTensor);
  const { node, initializer, input, output } = (graph.model() as Model).graph;

  const device = await testDevice();
  const parameters = new ParameterStore(device, new Generator(1));
  const network = new HRNet(parameters.scope(), config);
  const shapes = (list: Iterable<readonly [string, readonly number[]]>): string[] =>
    [...list].map(([name, shape]) => `${name} [${shape}]`).sort();
  assert.equal(
    shapes(initializer.filter(({ name }) => !name.startsWith('scales')).map(({ name, dims }) => [name, dims])),
    shapes([...parameters.tensors].map(([name, { shape }]) => [name, shape])),
  );
  for (const { dims, rawData } of initializer) assert.is(rawData.length, 4 * dims.reduce((a, b) => a * b, 1));

  let own = 0;
  device.variants.observer = ({ operation }) => {
    own += operation.flops;
  };
  try {
    device.scope(() => {
      const pass = { tape: new Tape(device, { recording: false }), batchStatistics: false };
      network.forward(pass, device.zeros([1, 3, height, width]));
    });
  } finally {
    device.variants.observer = undefined;
    parameters.dispose();
  }
  assert.is(flops, own);

  const known = new Set([...input, ...initializer].map(({ name }) => name));
  for (const { opType, input, output } of node) {
    for (const name of input) assert.ok(name === '' || known.has(name), `${opType} reads ${name}`);
    for (const name of output) known.add(name);
  }
  assert.ok(known.has(output[0].name));
  assert.is(new Set(node.map(({ output }) => output[0])).size, node.length);
  assert.throws(
    () => hrnetOnnx({ ...hrnet('w18'), head: { type: 'high-resolution' } }, [64, 64], networkTensor),
    /head/,
  );
});

const timing = (seconds: number) => {
  const quartiles = { lower: seconds, median: seconds, upper: seconds };
  return { first: 1, wall: quartiles, cpu: quartiles, samples: 3, runsPerSample: 1, deviation: 0 };
};

test('tables and page show times, ratios and what went wrong', () => {
  const outcomes: Record<string, Outcome> = {
    cim: { status: 'measured', timing: timing(0.1) },
    onnxruntime: { status: 'measured', timing: timing(0.5) },
    tfjs: { status: 'wrong', timing: timing(0.05), reason: 'Its result is off by 3 %.' },
    jax: { status: 'failed', reason: 'It broke <here>.' },
  };
  const start = { first: 2, total: 3 };
  const comparison: Comparison = {
    ...{ adapter: 'hardware: some GPU', software: false, ours: OURS, peers: PEERS, natives: [] },
    items: [
      { id: 'a.forward', title: 'conv', flops: 2e9, peak: 40e9, outcomes },
      { id: 'step', title: 'training step', flops: 0, outcomes: { cim: outcomes.cim } },
    ],
    cold: [
      {
        id: 'a.forward',
        title: 'conv',
        outcomes: {
          cim: { status: 'measured', cold: start, warm: { first: 0.25, total: 1 } },
          onnxruntime: { status: 'measured', cold: { first: 5, total: 6 }, warm: start },
          tfjs: { status: 'wrong', cold: { first: 1, total: 2 }, warm: start },
          jax: { status: 'unsupported' },
        },
      },
    ],
  };
  const lines = comparisonText(comparison)
    .split('\n')
    .map((line) => line.trim().replace(/ {2,}/g, ' | '));
  assert.is(lines[1], 'a.forward | 100.0 | 500.0 | 50.00 wrong | failed | 5.00 | 20.0 | 50');
  assert.is(lines[2], 'step | 100.0 | - | - | - | - | - | -');
  assert.is(lines[5], 'a.forward | 2.00 / 0.25 | 5.00 / 2.00 | 1.00 / 2.00 wrong | - | 2.50');
  assert.ok(lines.includes('a.forward, TensorFlow.js: Its result is off by 3 %.'));
  assert.match(comparisonText({ ...comparison, software: true }), /× in CPU time/);

  const page = comparisonHtml(comparison);
  assert.match(page, /It broke &lt;here&gt;\./);
  assert.match(page, /<desc id="forward-description">Forward: a\.forward 5\.0×\.<\/desc>/);
  assert.not.match(page, /<script|https?:|src=|<here>/);
});

test('what is compared: shared items, a network and a step of training', () => {
  const items = comparisonItems({ quick: true });
  assert.is(new Set(items.map(({ id }) => id)).size, items.length);
  const ids = items.map(({ id }) => id);
  for (const id of ['a.forward', 'm.weightGradient', 'G1', 'G2.inputGradient', 'hrnet.forward', 'step'])
    assert.ok(ids.includes(id), id);
  assert.equal(
    coldItems(items).map(({ id }) => id),
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'm'].map((id) => `${id}.forward`).concat('G1', 'G2.forward', 'hrnet.forward'),
  );
});

test('the lock file of the peers names no host, and every version is pinned', () => {
  const read = (name: string): string =>
    readFileSync(new URL(`../../tools/bench/peers/${name}`, import.meta.url), 'utf8');
  assert.not.match(read('pnpm-lock.yaml'), /https?:\/\//);
  const { private: isPrivate, devDependencies } = JSON.parse(read('package.json'));
  assert.is(isPrivate, true);
  for (const version of Object.values<string>(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/);
});

test('a filter that names nothing and a page without a comparison are typed errors, before anything is installed', async () => {
  const unknown = await cim('bench', '--peers', '--filter', 'stepp');
  assert.is(unknown.code, 1);
  assert.match(unknown.stderr, /^ConfigError: --filter stepp names nothing that is measured\.\nDid you mean step\?/);
  const page = await cim('bench', '--html', 'page.html');
  assert.is(page.code, 1);
  assert.match(page.stderr, /^ConfigError: --html .*\nAdd --peers\./);
});

test.run();
