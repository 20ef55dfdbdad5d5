export * from './find-peaks.ts';
