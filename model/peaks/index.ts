export * from './find-peaks.ts';
export * from './peak-responses.ts';
