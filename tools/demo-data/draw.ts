/** A step of the set-up, a process of its own: draws the data set that the demo takes when it is told nothing. */
import { demoData } from '../pipeline/demo-data.ts';
import { DEMO_DEFAULTS } from './defaults.ts';

const silent = { advance: () => {}, stop: () => {} };
await demoData(`${DEMO_DEFAULTS.out}/data`, DEMO_DEFAULTS.seed, { progress: () => silent });
