/** The program of the process that tunes: see TuningProcess. */
import { operationOf } from '@cim/kernels/operations';
import { serveTuning } from './tuning-server.ts';

await serveTuning(operationOf);
