import { extname } from 'node:path';

export const isPickle = (path: string): boolean => extname(path).toLowerCase() === '.pkl';

/** Whether a file holds scores of proposals, by its ending, and not COCO results. */
export const holdsScores = (path: string): boolean => isPickle(path) || extname(path).toLowerCase() === '.safetensors';
