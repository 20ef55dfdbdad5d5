import type { Scope } from '../nn/parameters.ts';
import type { Backbone } from './backbone.ts';
import { HRNet, type HRNetConfig } from './hrnet.ts';
import { type ResidualConfig, ResidualNet } from './residual.ts';

export type { Backbone } from './backbone.ts';
export { type HRNetConfig, hrnetConfig } from './hrnet.ts';

export type BackboneConfig = HRNetConfig | ResidualConfig;

export const createBackbone = (scope: Scope, config: BackboneConfig): Backbone =>
  config.type === 'hrnet' ? new HRNet(scope, config) : new ResidualNet(scope, config);
