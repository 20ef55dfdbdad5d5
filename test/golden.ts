/** Golden files: results of the original program, in test/golden. */
import { fileURLToPath } from 'node:url';
import { Golden } from '@cim/tools/verify/golden';

/** Reads `test/golden/NAME.safetensors`. `cim verify` compares whole files; tests take inputs from them. */
export const golden = (name: string): Promise<Golden> =>
  Golden.read(fileURLToPath(new URL(`./golden/${name}.safetensors`, import.meta.url)));
