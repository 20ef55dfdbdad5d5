import { Classifier } from '@cim/model/classify/classifier';
import { classifierInput } from '@cim/model/classify/input';
import { findPeaks } from '@cim/model/peaks/find-peaks';
import { peakResponses } from '@cim/model/peaks/peak-responses';
import { stretchImage } from '@cim/model/prm/resample';

import { type Device, functional as F, Generator, Tape } from '@cim/runtime';
import type { CaseKind } from '../case.ts';
import { type Comparison, compare, tolerances } from '../compare.ts';
import type { Golden } from '../golden.ts';
import { parameterGradients, resnetConfigOf } from './networks.ts';
import { peakList } from './peaks.ts';

/** Our name of a parameter of FC_ResNet: features.0, .1, .4 … .7 are res1.0, res1.1, res2 … res5. */
const ownName = (name: string): string =>
  name
    .replace(/^features\.([01])\./, 'Conv_Body.res1.$1.')
    .replace(/^features\.([4-7])\./, (_, layer: string) => `Conv_Body.res${Number(layer) - 2}.`);

/** The fully convolutional ResNet with the file's weights; its maps enlarged as the file says, or as given. */
async function fcResNet(
  device: Device,
  golden: Golden,
  upsampling = golden.option('sub_pixel_locating_factor'),
): Promise<Classifier> {
  const backbone = resnetConfigOf(golden, 0, 4);
  const pooling = { type: 'peak-stimulation', upsampling } as const;
  const classifier = new Classifier(
    device,
    { classes: golden.option('num_classes'), backbone, pooling },
    new Generator(0),
  );
  await golden.load(classifier.parameters);
  return classifier;
}

const inference = (device: Device) => ({ tape: new Tape(device, { recording: false }), batchStatistics: false });

/** Peaks of one image and what in it they stand for. */
async function checkInference(device: Device, golden: Golden): Promise<Comparison[]> {
  const classifier = await fcResNet(device, golden);
  const coarse = await fcResNet(device, golden, 1);
  const image = golden.tensor(device, 'in.x');
  const { cells, maps, aggregation, peakMap } = device.scope(() => {
    const maps = classifier.responses(inference(device), image);
    return {
      cells: coarse.responses(inference(device), image),
      maps,
      ...F.peakStimulation(inference(device).tape, maps),
    };
  });
  const [, , height, width] = maps.shape;
  const values = await maps.read();
  const found = await peakMap.read();
  const threshold = golden.option('peak_threshold');
  const peaks = findPeaks({ values, peakMap: found, height, width }, golden.data('in.labels'), threshold);
  const responses = await peakResponses(device, classifier, image, peaks);
  const output = (name: string, actual: ArrayLike<number>, tolerance = tolerances.network): Comparison =>
    compare(name, actual, golden.data(name), tolerance);
  const exact = (name: string, actual: ArrayLike<number>): Comparison =>
    compare(name, actual, golden.data(name), tolerances.exact);
  const comparisons = [
    output('out.backbone', await cells.read()),
    output('out.class_response_maps', values),
    output('out.aggregation', await aggregation.read()),
    exact('out.all_peaks', peakList(found, maps.shape)),
    exact(
      'out.peak_list',
      peaks.flatMap(({ classIndex, row, column }) => [0, classIndex, row, column]),
    ),
    output(
      'out.peak_score',
      peaks.map(({ score }) => score),
    ),
    compare(
      'out.peak_response_maps',
      responses.flatMap((map) => [...map]),
      golden.data('out.peak_response_maps'),
      tolerances.peakResponse,
    ),
  ];
  for (const { parameters } of [classifier, coarse]) parameters.dispose();
  return comparisons;
}

/** A training step of the classifier: loss, gradients, running statistics. */
async function checkTraining(device: Device, golden: Golden, newTape: () => Tape): Promise<Comparison[]> {
  const classifier = await fcResNet(device, golden);
  const { parameters } = classifier;
  const tape = newTape();
  const batchStatistics = golden.option<boolean>('bn_training');
  const maps = tape.keep(classifier.responses({ tape, batchStatistics }, golden.tensor(device, 'in.x')));
  const { aggregation, peakMap } = F.peakStimulation(tape, maps);
  tape.keep(aggregation);
  const loss = F.multiLabelSoftMarginLoss(tape, aggregation, golden.tensor(device, 'in.target'));
  tape.backward();
  const comparisons = [
    compare('out.class_response_maps', await maps.read(), golden.data('out.class_response_maps'), tolerances.network),
    compare(
      'out.peak_list',
      peakList(await peakMap.read(), maps.shape),
      golden.data('out.peak_list'),
      tolerances.exact,
    ),
    compare('out.aggregation', await aggregation.read(), golden.data('out.aggregation'), tolerances.network),
    compare('out.loss', await loss.read(), golden.data('out.loss'), tolerances.loss),
    ...(await parameterGradients(golden, parameters, tolerances.networkGradient)),
  ];
  if (batchStatistics) comparisons.push(...(await checkStatistics(device, golden, classifier)));
  parameters.dispose();
  return comparisons;
}

/**
 * The running statistics after a forward with those of the batch. A file that was written after it holds the updated ones
 * as parameters too: it is gone on from there, and a second forward must go nine tenths as far as the first.
 */
async function checkStatistics(device: Device, golden: Golden, classifier: Classifier): Promise<Comparison[]> {
  const names = [...golden.group('out.')].map(([name]) => name).filter((name) => /running_(mean|var)$/.test(name));
  const read = async (): Promise<Map<string, Float32Array>> =>
    new Map(
      await Promise.all(
        names.map(
          async (name) => [name, Float32Array.from(await classifier.parameters.tensors.get(name)!.read())] as const,
        ),
      ),
    );
  const first = await read();
  const writtenAfter = names.every(
    (name) => String(golden.data(`param.${name}`)) === String(golden.data(`out.${name}`)),
  );
  if (!writtenAfter) {
    return names.map((name) => compare(name, first.get(name)!, golden.data(`out.${name}`), tolerances.network));
  }
  device.scope(() => {
    classifier.responses({ ...inference(device), batchStatistics: true }, golden.tensor(device, 'in.x'));
  });
  const second = await read();
  const moved = names.filter((name) => first.get(name)!.some((value, i) => value !== golden.data(`out.${name}`)[i]));
  const updated = compare('updated statistics', [moved.length], [names.length], tolerances.exact);
  const progress = names.map((name) => {
    const before = golden.data(`out.${name}`);
    const after = first.get(name)!;
    const expected = before.map((value, i) => after[i] + 0.9 * (after[i] - value));
    return compare(name, second.get(name)!, expected, tolerances.network);
  });
  return [updated, ...progress];
}

/** The canvas on which the classifier sees an image: pixels, and the network's input. */
async function checkCanvas(device: Device, golden: Golden): Promise<Comparison[]> {
  const [height, width] = golden.shape('in.image_rgb');
  const [canvasHeight, canvasWidth] = golden.option('size', [448, 448]);
  const canvas = { width: canvasWidth, height: canvasHeight };
  const image = stretchImage({ rgb: golden.bytes('in.image_rgb'), width, height }, canvas);
  const expected = golden.data('out.resized_rows');
  const first = golden.option('first_row', 0) * canvasWidth * 3;
  const comparisons = [
    compare('out.resized_rows', image.rgb.subarray(first, first + expected.length), expected, tolerances.exact),
  ];
  if (golden.has('out.x_crop')) {
    const [, rows, columns] = golden.shape('out.x_crop');
    const input = classifierInput(device, image);
    const values = await input.read();
    input.dispose();
    const crop = Float32Array.from({ length: 3 * rows * columns }, (_, i) => {
      const [channel, row] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows];
      return values[(channel * canvasHeight + row) * canvasWidth + (i % columns)];
    });
    comparisons.push(compare('out.x_crop', crop, golden.data('out.x_crop'), tolerances.operation));
  }
  return comparisons;
}

/** prm_infer_*, prm_train_*, prm_open_transform*: peak response mapping on a ResNet (lib/prm). */
export const prm: CaseKind[] = [
  { pattern: /^prm_infer_/, check: (device, golden) => checkInference(device, golden.renamed(ownName)) },
  { pattern: /^prm_open_transform/, check: checkCanvas },
  {
    pattern: /^prm_train_/,
    check: (device, golden, newTape) => checkTraining(device, golden.renamed(ownName), newTape),
  },
];
