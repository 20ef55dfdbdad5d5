import { presets } from '@cim/model/recipe/presets';
import { chooseRecipe } from '@cim/tools/pipeline/recipe-options';
import { recipeSchema } from '@cim/tools/pipeline/recipe-schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('recipes');

for (const [name, preset] of Object.entries(presets)) {
  test(`${name} is a complete recipe of that name`, async () => {
    assert.is(preset.name, name);
    const { error, data } = recipeSchema.safeParse(preset);
    assert.is(error?.message, undefined);
    assert.equal(data, preset, 'the schema knows every setting');
    assert.equal(await chooseRecipe({ preset: name, set: [] }), preset);
  });
}

test('the paper’s experiments: four images a step, ten test passes, its thresholds', () => {
  const { hrnet48_voc: voc, vgg16_coco: coco, resnet50_voc_point: points } = presets;
  assert.equal(voc.training, {
    steps: 45_000,
    imagesPerStep: 4,
    imagesPerPass: 1,
    recompute: false,
    view: { type: 'resize', sizes: [480, 576, 688, 864, 1200] },
  });
  assert.equal(voc.solver.schedule.decay, { type: 'step', decaySteps: [30_000], gamma: 0.1 });
  assert.is(voc.solver.schedule.baseLr, 2.5e-4);
  assert.equal([coco.training.steps, coco.cim.region.channels], [120_000, 512]);
  assert.is(points.labels.source, 'points');
});

test.run();
