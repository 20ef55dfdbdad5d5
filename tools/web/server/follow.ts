/** News of a run as Server-Sent Events. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { RunFollower } from './logs.ts';

/** Milliseconds between two looks at the files. Their watchers miss changes on some file systems, looking does not. */
const INTERVAL = 400;
/** After how many milliseconds a page asks again once the server is gone. */
const RETRY = 1000;
/** Looks after which something is sent, so that a connection that is gone is noticed. */
const HEARTBEAT = 25;

/**
 * Sends all that the run has said, then what it says, until the page leaves. A page that comes back gets everything
 * again, each log with `restart`.
 */
export async function followRun(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  response.write(`retry: ${RETRY}\n\nevent: begin\ndata: {}\n\n`);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const follower = new RunFollower(folder);
  for (let look = 1; !response.closed; look++) {
    for (const news of await follower.read()) response.write(`data: ${JSON.stringify(news)}\n\n`);
    if (look === 1) response.write('event: current\ndata: {}\n\n');
    if (look % HEARTBEAT === 0) response.write(': still here\n\n');
    await setTimeout(INTERVAL, undefined, { signal: gone.signal }).catch(() => {});
  }
}
