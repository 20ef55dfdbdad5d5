/** Writes results of 40 classes and, again and again, of one that others write too. */

import { FileStore } from '@cim/runtime/platform/tuning-store';
import type { Environment, TunedEntry } from '@cim/runtime/tune/entry';

const [root, name, environment, entry] = process.argv.slice(2);
const warn = ({ message }: Error): never => {
  throw new Error(message);
};
const store = new FileStore(JSON.parse(environment) as Environment, warn, root);
for (let i = 0; i < 40; i++) {
  store.write(`${name}-${i}`, JSON.parse(entry) as TunedEntry);
  store.write('shared', JSON.parse(entry) as TunedEntry);
  if (!store.read('shared')) throw new Error('A reader saw half a file.');
}
