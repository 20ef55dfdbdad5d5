import { ReportedError } from '@cim/runtime/errors';

/** Prints a failure for a person: what happened and what to do. Where in the code it happened only with `debug`. */
export function reportError(error: unknown, { debug }: { debug: boolean }): void {
  if (!(error instanceof Error)) {
    console.error(String(error));
    return;
  }
  console.error(`${error.name}: ${error.message}`);
  if (error instanceof ReportedError) {
    if (error.remedy) console.error(error.remedy);
  } else if (!debug) {
    console.error('This is a defect of the program: run the command again with --debug to see where it happened.');
  }
  if (debug) console.error(describeStack(error));
}

function describeStack(error: Error): string {
  const own = (error.stack ?? '')
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .join('\n');
  return error.cause instanceof Error ? `${own}\ncaused by ${error.cause.message}\n${describeStack(error.cause)}` : own;
}
