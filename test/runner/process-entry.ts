/**
 * A process for one test file, of Node or Deno: `process-entry.ts FILE.test.ts`, or `process-entry.ts adapter`. The
 * result is the last line of its output, JSON behind a record separator (RFC 7464).
 */
import { pathToFileURL } from 'node:url';
import { describeAdapter } from './adapter.ts';
import { runSuites } from './queue.ts';

const [what] = process.argv.slice(2);
const result = what === 'adapter' ? await describeAdapter() : await runSuites(() => import(pathToFileURL(what).href));
process.stdout.write(`\n\x1e${JSON.stringify(result)}\n`);
