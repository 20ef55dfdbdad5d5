import { spawnSync } from 'node:child_process';

/** The first Python ($CIM_PYTHON, python3) that can import all of the modules; null where there is none. */
export function findPython(modules: readonly string[]): string | null {
  const candidates = [process.env.CIM_PYTHON, 'python3', '/usr/bin/python3', 'python'];
  const works = (python: string): boolean => spawnSync(python, ['-c', `import ${modules.join(', ')}`]).status === 0;
  return candidates.find((python) => python !== undefined && works(python)) ?? null;
}
