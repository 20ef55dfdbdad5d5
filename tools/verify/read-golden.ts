import { openSafetensors } from '../formats/safetensors.ts';
import { Golden } from './golden.ts';

/** A golden file. @throws CheckpointError when it cannot be read. */
export const readGolden = async (file: string): Promise<Golden> => Golden.read(file, await openSafetensors(file));
