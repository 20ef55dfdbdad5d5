/** The worker of the page: the page stays alive whatever the networks take. */
import { DeviceLostError, ReportedError } from '@cim/runtime/errors';
import { ImageError } from '../../errors.ts';
import { checkBlob } from './decode.ts';
import { InstanceFinder } from './finder.ts';
import type { Failure, Report, Request } from './messages.ts';

type FindRequest = Extract<Request, { type: 'find' }>;

const tell = (report: Report): void => postMessage(report);

function failureOf(error: unknown): Failure {
  const { message } = error as Error;
  const fatal = !(error instanceof ImageError);
  if (error instanceof DeviceLostError) return { message, remedy: 'Open the network again.', fatal };
  return { message, remedy: error instanceof ReportedError ? error.remedy : 'Load the page again.', fatal };
}

let opening: Promise<InstanceFinder> | undefined;
/** The image that is asked for last; the one at work gives way to it. */
let latest: FindRequest | undefined;
let working = false;

async function work(): Promise<void> {
  if (working) return;
  working = true;
  for (let done: FindRequest | undefined; latest !== done; ) {
    done = latest;
    await find(done!);
  }
  working = false;
}

async function find(request: FindRequest): Promise<void> {
  const { id, image, name } = request;
  const wanted = (): boolean => latest === request;
  try {
    await checkBlob(image, name);
    // What could not be opened has been told.
    const finder = await opening?.catch(() => undefined);
    if (!finder || !wanted()) return;
    await finder.find(image, name, {
      onStage: (report) => tell({ type: 'stage', id, report }),
      tell: (finding) => tell({ type: 'found', id, finding }),
      wanted,
    });
    if (wanted()) tell({ type: 'done', id });
  } catch (error) {
    tell({ type: 'failed', id, failure: failureOf(error) });
  }
}

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if (data.type === 'open') {
    opening = InstanceFinder.open(data.files, data.size, (report) => tell({ type: 'stage', id: null, report }));
    opening.then(
      ({ network }) => tell({ type: 'opened', network }),
      (error) => tell({ type: 'failed', id: null, failure: failureOf(error) }),
    );
  } else {
    latest = data;
    void work();
  }
});
