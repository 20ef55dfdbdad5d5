import { presets } from '@cim/model/recipe/presets';
import { testDevice } from '@cim/runtime/testing';
import { scalingAxes } from '@cim/tools/bench/scaling/axes';
import { scalingHtml, scalingSvg, scalingTable } from '@cim/tools/bench/scaling/report';
import { exponentOf, measureScaling, type ScalingResult, scalingSteps } from '@cim/tools/bench/scaling/scaling';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('scaling');
const device = await testDevice();

test('the exponent is that of a power law, whatever its factor', () => {
  for (const exponent of [0, 0.5, 1, 2]) {
    const points = [1, 3, 10, 40].map((x) => ({ x, y: 7 * x ** exponent }));
    assert.ok(Math.abs(exponentOf(points) - exponent) < 1e-12);
  }
  // The line of least squares, not the one through the ends.
  const bent = [1, Math.E, Math.E ** 2].map((x, i) => ({ x, y: Math.exp([0, 0, 3][i]) }));
  assert.ok(Math.abs(exponentOf(bent) - 1.5) < 1e-12);
});

test('every axis grows one thing', () => {
  for (const recipe of [presets.demo, presets['demo-hrnet']]) {
    const [area, proposals, channels] = scalingAxes(recipe);
    assert.equal(
      area.points.map(({ x, size }) => x - size.width * size.height),
      area.points.map(() => 0),
    );
    assert.ok(area.points.every(({ size }) => Number.isInteger(size.width) && Number.isInteger(size.height)));
    assert.equal(
      proposals.points.map(({ size }) => size.proposals),
      proposals.points.map(({ x }) => x),
    );
    const { region } = recipe.cim;
    assert.equal(
      channels.points.map((point) => point.recipe.cim.region.hidden),
      channels.points.map(({ x }) => x * region.hidden),
    );
    for (const { points } of [area, proposals, channels]) {
      assert.ok(points.every(({ x }, i) => i === 0 || x > points[i - 1].x));
    }
    assert.is(scalingSteps([recipe], 2), 3 * (area.points.length + proposals.points.length + channels.points.length));
  }
  // Published weights fix the channels.
  assert.equal(
    scalingAxes(presets.resnet50_voc).map(({ name }) => name),
    ['area', 'proposals'],
  );
});

test('steps are timed, and shown as a table, a picture and a page', async () => {
  const axis = scalingAxes(presets.demo)[0];
  let done = 0;
  const one = await measureScaling(device, presets.demo, { ...axis, points: axis.points.slice(0, 2) }, 1, () => done++);
  assert.is(done, 4);
  assert.equal(
    one.steps.map(({ x }) => x),
    [5120, 20480],
  );
  assert.ok(one.steps.every(({ seconds }) => seconds > 0));
  const result: ScalingResult = { adapter: device.adapter, scalings: [one, { ...one, recipe: 'wide <one>' }] };
  assert.match(scalingTable(result), new RegExp(`demo, area +5120 .* ${one.exponent.toFixed(2)}`));
  for (const text of [scalingSvg(result), scalingHtml(result)]) {
    assert.match(text, 'wide &lt;one&gt;');
    assert.not.match(text, /NaN|undefined|<script|https?:\/\/(?!www\.w3\.org)/);
    assert.is(text.match(/<circle /g)?.length, 4);
  }
});

test.run();
