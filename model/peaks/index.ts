export * from './find-peaks.ts';
export * from './locate-peaks.ts';
export * from './peak-responses.ts';
