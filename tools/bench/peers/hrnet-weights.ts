/** Weights that two libraries can give the same network without a file between them. */
import crc32 from 'crc-32';
import { deterministicTensor } from '../../verify/deterministic.ts';

const SALT = 4177;
/** At which activations keep their size through HRNet. */
const GAIN = 0.55;

/** A row-major tensor of the state dict, from nothing but its name and shape. */
export const networkTensor = (name: string, shape: readonly number[]): Float32Array =>
  deterministicTensor(crc32.buf(Buffer.from(name)), name, shape, SALT, GAIN);
