/** The process that tunes, with candidates that misbehave. */
import { serveTuning } from '@cim/runtime/platform/tuning-server';
import { fakeOperation, type Misbehaviour } from '../runtime/fake-operation.ts';

await serveTuning(({ shape }) => fakeOperation(...(shape as { names: Misbehaviour[] }).names));
