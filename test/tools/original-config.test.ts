/** The original's configurations: as its programs read them, and as recipes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fullSizePresets } from '@cim/model/recipe/full-size';
import { ConfigError } from '@cim/tools/errors';
import { defaultConfig } from '@cim/tools/original-config/defaults';
import { type ConfigSetting, parseOriginalConfig, readOriginalConfig } from '@cim/tools/original-config/read';
import { recipeOf } from '@cim/tools/original-config/recipe-of';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rejection } from '../rejection.ts';
import { temporaryFolder } from './tiny-run.ts';

const test = suite('original configurations');

/** What configs/*.yaml set, in the same manner of writing. */
const yaml = (body: string, scales = '(480, 576, 688, 864, 1200)'): string => `MODEL:
  TYPE: generalized_rcnn
  CONV_BODY: ${body}
  EXTRA:
    STAGE2: {NUM_MODULES: 1, NUM_BRANCHES: 2, NUM_BLOCKS: [4, 4], NUM_CHANNELS: [48, 96]}
    STAGE3:
      NUM_MODULES: 4
      NUM_BLOCKS:
      - 4
      - 4
      - 4
      NUM_CHANNELS: [48, 96, 192]
    STAGE4: {NUM_MODULES: 3, NUM_CHANNELS: [48, 96, 192, 384]}
NUM_GPUS: 2
DEDUP_BOXES: 0.0
transform_mode: ToTensor
step_rate: 0.1
Anti_noise_sampling: True
HRNET:
  IMAGENET_PRETRAINED_WEIGHTS: './data/model_weight/hrnetv2_w48_imagenet_pretrained.pth'
VGG:
  IMAGENET_PRETRAINED_WEIGHTS: './data/model_weight/vgg16_caffe.pth'
ResNet:
  IMAGENET_PRETRAINED_WEIGHTS: 'None' # place holder
SOLVER:
  LR_POLICY: steps_with_decay
  BASE_LR: 0.0005
  MAX_ITER: 90000
  STEPS: [0, 60000]
FAST_RCNN:
  ROI_XFORM_METHOD: RoIAlign
  ROI_XFORM_RESOLUTION: 7
TRAIN:
  SCALES: ${scales}
  IMS_PER_BATCH: 1
  PROPOSAL_FILES: ('./data/cob/voc_2012_trainaug.pkl',) # edit
  REFINE_FILES: ("./data/label_assign/voc_2012_label_assign.pkl",)
TEST:
  SCORE_THRESH: 1e-5
  SCALE: 480
  BBOX_AUG:
    ENABLED: True
    H_FLIP: True
    SCALES: (576, 688, 864, 1200)
    SCORE_HEUR: 'AVG'
`;

test('a file over the defaults, tuples and all', async () => {
  const path = join(temporaryFolder('config'), 'vgg16_voc.yaml');
  writeFileSync(path, yaml('vgg16.dilated_conv5_body'));
  const settings: ConfigSetting[] = [
    ['SOLVER.MAX_ITER', '100'],
    ['TEST.NMS', '0.5'],
    ['TEST.BBOX_AUG.SCALES', '[576, 688,]'],
    ['TEST.BBOX_AUG.H_FLIP', 'False'],
    ['MODEL.TYPE', '"other"'],
  ];
  const config = await readOriginalConfig(path, settings);
  assert.equal(config.TRAIN.SCALES, [480, 576, 688, 864, 1200]);
  assert.equal(config.TRAIN.PROPOSAL_FILES, ['./data/cob/voc_2012_trainaug.pkl']);
  assert.is(config.TEST.SCORE_THRESH, 1e-5);
  assert.is(config.ResNet.IMAGENET_PRETRAINED_WEIGHTS, 'None');
  assert.equal([config.SOLVER.MAX_ITER, config.TEST.NMS, config.MODEL.TYPE], [100, 0.5, 'other']);
  assert.equal([config.TEST.BBOX_AUG.SCALES, config.TEST.BBOX_AUG.H_FLIP], [[576, 688], false]);
  assert.is(config.SOLVER.WARM_UP_FACTOR, 1 / 3);
  assert.equal(config.GROUP_NORM, defaultConfig().GROUP_NORM);
});

test('what is wrong is said, with the nearest name', async () => {
  const cases: [string, ConfigSetting[], RegExp, RegExp][] = [
    ['TRIAN: {SCALES: [1]}', [], /no setting "TRIAN"/, /Did you mean "TRAIN"\?/],
    ['TRAIN: {SCALE: [1]}', [], /no setting "TRAIN\.SCALE"/, /"TRAIN\.SCALES"/],
    ['TRAIN: 3', [], /"TRAIN" is 3; a group of settings/, /Change one of DATASETS/],
    ['TRAIN: {SCALES: 600}', [], /"TRAIN\.SCALES" is 600; a list/, /\[600\] unless changed/],
    ['TRAIN: {SCALES: "(1, x)"}', [], /a list of numbers is needed/, /./],
    ['NUM_GPUS: two', [], /"NUM_GPUS" is "two"; a number/, /It is 1 unless changed/],
    ['NUM_GPUS: .nan', [], /a finite number/, /./],
    ['{}', [['TEST.NMSS', '1']], /--set TEST\.NMSS 1: .*no setting "TEST\.NMSS"/, /"TEST\.NMS"/],
    ['__proto__: {polluted: 1}', [], /no setting "__proto__"/, /./],
    ['NUM_GPUS: !!python/object/apply:os.system ["touch x"]', [], /not plain YAML: Unresolved tag/, /./],
    ['a: &a [1]\nb: *a', [], /not plain YAML/, /./],
    ['[', [], /not plain YAML/, /./],
    [`${'['.repeat(50_000)}`, [], /not plain YAML/, /./],
    ['- 1', [], /not a list of settings/, /./],
  ];
  for (const [text, settings, message, remedy] of cases) {
    const error = await rejection(() => parseOriginalConfig(text, 'a.yaml', settings));
    assert.instance(error, ConfigError, text.slice(0, 60));
    assert.match(error.message, message);
    assert.match(error.remedy ?? '', remedy);
  }
  assert.not('polluted' in {});
});

test("the original's own configurations are the presets", () => {
  const presets = { 'HRNet.get_HRNet': 'hrnet48_voc', 'resnet50.torch_resnet50': 'resnet50_voc' } as const;
  for (const [body, name] of Object.entries(presets)) {
    const recipe = recipeOf(parseOriginalConfig(yaml(body), 'a.yaml'), `configs/${name}.yaml`);
    assert.equal(recipe, { ...fullSizePresets[name], description: `${name} of the original` });
  }
  const vgg = { steps: ['SOLVER.MAX_ITER', '60000'], decay: ['SOLVER.STEPS', '[0, 40000]'] } as const;
  const config = parseOriginalConfig(yaml('vgg16.dilated_conv5_body'), 'a.yaml', Object.values(vgg));
  const expected = { ...fullSizePresets.vgg16_voc, description: 'vgg16_voc of the original' };
  assert.equal(recipeOf(config, 'vgg16_voc.yaml'), expected);
});

test('steps and rates follow the batch, as train.py rescales them', () => {
  const config = parseOriginalConfig(yaml('resnet50.torch_resnet50'), 'a.yaml');
  const { training, solver, checkpointEvery } = recipeOf(config, 'a.yaml', { batchSize: 2, iterSize: 8 });
  assert.equal([training.steps, training.imagesPerStep, checkpointEvery], [11250, 16, 1250]);
  assert.equal(solver.schedule.baseLr, 5e-4);
  assert.equal(solver.schedule.decay, { type: 'step', decaySteps: [7500], gamma: 0.1 });
});

test('settings that cannot be followed are refused', async () => {
  for (const [settings, message] of [
    [[['transform_mode', 'org']], /"transform_mode" is "org"/],
    [[['DEDUP_BOXES', '0.125']], /"DEDUP_BOXES" is 0\.125/],
    [[['SOLVER.TYPE', 'Adam']], /"SOLVER\.TYPE" is "Adam"/],
    [[['MODEL.CONV_BODY', 'resnet50.torch_resnet']], /"MODEL\.CONV_BODY" is "resnet50\.torch_resnet"/],
  ] as [ConfigSetting[], RegExp][]) {
    const config = parseOriginalConfig(yaml('resnet50.torch_resnet50'), 'a.yaml', settings);
    const error = await rejection(() => recipeOf(config, 'a.yaml'));
    assert.instance(error, ConfigError);
    assert.match(error.message, message);
  }
});

test.run();
