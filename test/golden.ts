/** Golden files: results of the original program, in test/golden. */
import { checkpointFailure } from '@cim/tools/formats/bytes';
import { parseSafetensors } from '@cim/tools/formats/safetensors-content';
import { Golden } from '@cim/tools/verify/golden';
import { readTestFile } from './files.ts';

/** Reads `test/golden/NAME.safetensors`. `cim verify` compares whole files; tests take inputs from them. */
export async function golden(name: string): Promise<Golden> {
  const file = `golden/${name}.safetensors`;
  const bytes = await readTestFile(file);
  const read = async (position: number, length: number) => bytes.slice(position, position + length);
  return Golden.read(file, await parseSafetensors({ size: bytes.length, read }, checkpointFailure(file)));
}
