export * from './boxes.ts';
export * from './crop.ts';
export * from './overlap.ts';
export * from './overlap-cache.ts';
export * from './packed.ts';
export * from './scale.ts';
