/** The worker with the networks, as the page talks to it. */
import type { Size } from '@cim/model/prm/resample';
import type { NetworkFiles, Report, Request } from './messages.ts';

export interface Session {
  /** Looks for the instances of an image, in the place of the one before. Its reports carry `id`. */
  find(id: number, image: Blob, name: string): void;
  close(): void;
}

/**
 * Starts a worker and opens the networks in it.
 *
 * @param size of the images that will likely come.
 */
export function openSession(files: NetworkFiles, size: Size | null, onReport: (report: Report) => void): Session {
  const worker = new Worker(new URL('./try-worker.js', import.meta.url), { type: 'module' });
  const ask = (request: Request): void => worker.postMessage(request);
  worker.addEventListener('message', ({ data }: MessageEvent<Report>) => onReport(data));
  worker.addEventListener('error', ({ message }) => {
    const failure = {
      message: message || 'The worker of this page does not start.',
      remedy: 'Load the page again.',
      fatal: true,
    };
    onReport({ type: 'failed', id: null, failure });
  });
  ask({ type: 'open', files, size });
  return { find: (id, image, name) => ask({ type: 'find', id, image, name }), close: () => worker.terminate() };
}
