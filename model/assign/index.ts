export * from './assign.ts';
