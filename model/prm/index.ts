export * from './recipe.ts';
export * from './resample.ts';
export * from './retrieve.ts';
