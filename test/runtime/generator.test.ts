import { Generator, philox } from '@cim/runtime';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('generator');

test('matches the published Philox 4×32-10 vector for zero key and counter', () => {
  // Known-answer test of the Random123 distribution (kat_vectors).
  assert.equal(philox(0, 0), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
});

test('continues from a saved state', () => {
  const a = new Generator(7);
  for (let i = 0; i < 5; i++) a.normal();
  const b = new Generator(7, a.state.counter);
  assert.equal(a.permutation(20), b.permutation(20));
});

test('uniform numbers have the moments of a uniform', () => {
  const generator = new Generator(3);
  const values = Array.from({ length: 20000 }, () => generator.uniform());
  const mean = values.reduce((a, b) => a + b) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
  assert.ok(Math.abs(mean - 0.5) < 0.01 && Math.abs(variance - 1 / 12) < 0.003);
});

test.run();
