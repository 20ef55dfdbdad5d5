import type { Scope } from '../nn/parameters.ts';
import type { Backbone } from './backbone.ts';
import { HRNet, type HRNetConfig } from './hrnet.ts';
import { type ResidualConfig, ResidualNet } from './residual.ts';
import { ResNet, type ResNetConfig } from './resnet.ts';
import { Vgg, type VggConfig } from './vgg.ts';

export type { Backbone } from './backbone.ts';
export { HRNET_NAMES, type HRNetConfig, type HRNetName, hrnet } from './hrnet.ts';
export { type ResNetConfig, resnet50 } from './resnet.ts';
export { type VggConfig, vgg16 } from './vgg.ts';

/** What a recipe says of its backbone; `type` tells which it is. */
export type BackboneConfig = HRNetConfig | ResidualConfig | ResNetConfig | VggConfig;

/** Builds a backbone and adds its parameters to the scope. */
export function createBackbone(scope: Scope, config: BackboneConfig): Backbone {
  switch (config.type) {
    case 'hrnet':
      return new HRNet(scope, config);
    case 'residual':
      return new ResidualNet(scope, config);
    case 'resnet':
      return new ResNet(scope, config);
    case 'vgg':
      return new Vgg(scope, config);
  }
}
