/**
 * A process of Node or Deno for one module: `process-entry.ts FILE` runs its tests, `process-entry.ts FILE FUNCTION` calls
 * what it exports. The result is the last line of its output, JSON behind a record separator (RFC 7464).
 */
import { pathToFileURL } from 'node:url';
import { runSuites } from './queue.ts';

const [file, name] = process.argv.slice(2);
const load = () => import(pathToFileURL(file).href);
const result = name === undefined ? await runSuites(load) : await (await load())[name]();
process.stdout.write(`\n\x1e${JSON.stringify(result)}\n`);
