export * from './resample.ts';
export * from './retrieve.ts';
