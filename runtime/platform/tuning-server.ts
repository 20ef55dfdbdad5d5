import type { Operation } from '@cim/kernels/operation';
import type { OperationName } from '@cim/kernels/operations';
import { Device, type DeviceOptions } from '../device.ts';
import { ReportedError } from '../errors.ts';
import { CandidateError, tuneOperation } from '../tune/tune.ts';
import type { TuneReply, TuneRequest } from '../tune/tuner.ts';

/** Answers requests of the parent process on a device with the options it gave, until it is gone. */
export async function serveTuning(operationOf: (name: OperationName) => Operation | undefined): Promise<void> {
  process.once('disconnect', () => process.exit());
  const options = JSON.parse(process.argv[2]) as DeviceOptions;
  // Timestamps say how long kernels take, whatever else the machine does.
  const device = Device.open({ ...options, trace: true, tuning: 'off' });
  // Requests may come before the device is open; messages without a listener would be lost.
  process.on('message', (request: TuneRequest) => void answer(device, request, operationOf));
  await device;
}

async function answer(
  opening: Promise<Device>,
  { operation: name, known }: TuneRequest,
  operationOf: (name: OperationName) => Operation | undefined,
): Promise<void> {
  try {
    const operation = operationOf(name);
    if (!operation) throw new ReportedError(`There is no operation ${name.family}.`);
    const entry = await tuneOperation(await opening, operation, { known, onTrial: (trial) => reply({ trial }) });
    reply({ entry });
  } catch (error) {
    if (error instanceof CandidateError) {
      const { candidate, hash, message } = error;
      reply({ broken: { candidate, hash, message } });
    } else {
      const { message, remedy = '' } = error as ReportedError;
      reply({ error: { message, remedy } });
    }
  }
}

const reply = (message: TuneReply): void => void process.send?.(message);
