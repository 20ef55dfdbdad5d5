/** What a training step grows along: area of the image, proposals, channels. */
import type { BackboneConfig } from '@cim/model/backbone/index';
import type { Recipe } from '@cim/model/recipe/recipe';
import type { SampleSize } from '../../step/sample.ts';

export interface ScalingPoint {
  /** What grows: pixels, proposals, or how many times as many channels. */
  readonly x: number;
  readonly recipe: Recipe;
  readonly size: SampleSize;
}

export interface ScalingAxis {
  readonly name: 'area' | 'proposals' | 'channels';
  readonly label: string;
  readonly points: readonly ScalingPoint[];
}

/** What the other axes are held at. */
const BASE: SampleSize = { width: 160, height: 128, proposals: 64, classes: 20 };
const AREAS = [1 / 4, 1, 4, 9];
const PROPOSALS = [32, 128, 512, 2000];
const CHANNELS = [1, 2, 4];

/** The axis of channels is left out where a backbone's are fixed. */
export function scalingAxes(recipe: Recipe): ScalingAxis[] {
  const axes: ScalingAxis[] = [
    {
      name: 'area',
      label: 'pixels of the image',
      points: AREAS.map((area) => {
        const side = Math.sqrt(area);
        const size = { ...BASE, width: BASE.width * side, height: BASE.height * side };
        return { x: size.width * size.height, recipe, size };
      }),
    },
    {
      name: 'proposals',
      label: 'proposals',
      points: PROPOSALS.map((proposals) => ({ x: proposals, recipe, size: { ...BASE, proposals } })),
    },
  ];
  if (!widened(recipe, 1)) return axes;
  const points = CHANNELS.map((factor) => ({ x: factor, recipe: widened(recipe, factor)!, size: BASE }));
  return [...axes, { name: 'channels', label: "times the recipe's channels", points }];
}

/** The recipe's network with `factor` times the channels everywhere; undefined where the backbone's are fixed. */
function widened(recipe: Recipe, factor: number): Recipe | undefined {
  const backbone = widenedBackbone(recipe.backbone, factor);
  if (!backbone) return undefined;
  const { region } = recipe.cim;
  const wide = { ...region, channels: factor * region.channels, hidden: factor * region.hidden };
  return { ...recipe, backbone, cim: { ...recipe.cim, region: wide } };
}

function widenedBackbone(backbone: BackboneConfig, factor: number): BackboneConfig | undefined {
  if (backbone.type === 'residual') {
    const stages = backbone.stages.map((stage) => ({ ...stage, channels: factor * stage.channels }));
    return { ...backbone, stemChannels: factor * backbone.stemChannels, stages };
  }
  if (backbone.type !== 'hrnet') return undefined;
  const times = (channels: readonly number[]): number[] => channels.map((count) => factor * count);
  const { head } = backbone;
  return {
    ...backbone,
    stemChannels: factor * backbone.stemChannels,
    stage1: { ...backbone.stage1, channels: factor * backbone.stage1.channels },
    stages: backbone.stages.map((stage) => ({ ...stage, channels: times(stage.channels) })),
    head:
      head.type === 'classification'
        ? { ...head, channels: times(head.channels), finalChannels: factor * head.finalChannels }
        : head,
  };
}
