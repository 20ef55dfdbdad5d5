import { ClsIouModel } from '@cim/model/heads/cls-iou-model';
import { ParameterStore } from '@cim/model/nn/parameters';
import { MaskFuse } from '@cim/model/region/mask-fuse';
import { functional as F, Generator, Tape } from '@cim/runtime';
import { type CaseKind, operation } from '../case.ts';
import { compare, tolerances } from '../compare.ts';
import { parameterGradients } from './networks.ts';

/** roialign_*, maskfuse_*, cls_iou_model_*: from the feature map to the branches. */
export const regions: CaseKind[] = [
  {
    pattern: /^roialign_/,
    check: operation((tape, get, golden) =>
      F.roiAlign(tape, get('in.features'), get('in.rois'), {
        outputSize: golden.option('output_size'),
        spatialScale: golden.option('spatial_scale'),
        samplingRatio: golden.option('sampling_ratio'),
      }),
    ),
  },
  {
    pattern: /^maskfuse_/,
    check: async (device, golden) => {
      const channels = golden.option('dim_in');
      const store = new ParameterStore(device, new Generator(0));
      const stride = 1 / golden.option('spatial_scale');
      const region = new MaskFuse(store.scope(), channels, stride, {
        channels,
        hidden: golden.option('hidden_dim'),
        fuseMasks: true,
      });
      await golden.load(store);
      const tape = new Tape(device);
      const features = tape.keep(golden.tensor(device, 'in.features', { grad: true }));
      const [rois, masks] = [golden.tensor(device, 'in.rois'), golden.tensor(device, 'in.masks')];
      const y = tape.keep(region.forward({ tape, batchStatistics: false }, features, rois, masks));
      const output = compare('out.y', await y.read(), golden.data('out.y'), tolerances.operation);
      tape.backward(y, golden.tensor(device, 'in.gout'));
      const gradient = await tape.gradient(features)!.read();
      return [
        output,
        compare('grad.features', gradient, golden.data('grad.features'), tolerances.operationGradient),
        ...(await parameterGradients(golden, store, tolerances.operationGradient)),
      ];
    },
  },
  {
    pattern: /^cls_iou_model_/,
    check: async (device, golden) => {
      const store = new ParameterStore(device, new Generator(0));
      const model = new ClsIouModel(
        store.scope(),
        golden.option('dim_in'),
        golden.option('dim_out') - 1,
        golden.option('refine_times'),
      );
      await golden.load(store);
      const tape = new Tape(device);
      const x = tape.keep(golden.tensor(device, 'in.x', { grad: true }));
      const [{ classifier, detector, refinement }] = model.forward({ tape, batchStatistics: false }, x, [x.shape[0]]);
      const outputs = [
        ['predict_cls', classifier] as const,
        ['predict_det', detector] as const,
        ...refinement.flatMap(({ cls, iou }, k) => [
          [`refine_cls.${k}`, cls] as const,
          [`refine_iou.${k}`, iou] as const,
        ]),
      ];
      const comparisons = await Promise.all(
        outputs.map(async ([name, tensor]) =>
          compare(`out.${name}`, await tensor.read(), golden.data(`out.${name}`), tolerances.operation),
        ),
      );
      for (const [name, tensor] of outputs) tape.seed(tensor, golden.tensor(device, `in.gout.${name}`));
      tape.backward();
      if (golden.has('grad.x')) {
        comparisons.push(
          compare('grad.x', await tape.gradient(x)!.read(), golden.data('grad.x'), tolerances.operationGradient),
        );
      }
      return [...comparisons, ...(await parameterGradients(golden, store, tolerances.operationGradient))];
    },
  },
];
