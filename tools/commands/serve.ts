import { type Command, InvalidArgumentError } from 'commander';
import { parseCount } from '../cli/options.ts';

interface ServeCommandOptions {
  readonly port: number;
  readonly host: string;
  readonly export?: string;
}

const LARGEST_PORT = 65535;

/** `cim serve`: the web app. Needs no GPU. */
export function register(program: Command): void {
  program
    .command('serve')
    .description('show runs and data sets in a browser: look at what was found, watch a training, try the network')
    .argument('[folders...]', 'folders of runs and of data sets; nothing else is served', ['runs/demo'])
    .option('--port <number>', 'where it listens; 0 for any free port', parsePort, 8000)
    .option('--host <address>', 'this machine only; 0.0.0.0 for everybody who reaches it', '127.0.0.1')
    .option('--export <folder>', 'write the app with all its data instead, for any web server of plain files')
    .action(async (folders: readonly string[], { port, host, export: out }: ServeCommandOptions) => {
      const { bundleApp } = await import('../web/server/bundle.ts');
      const { openSources } = await import('../web/server/sources.ts');
      const { Resources } = await import('../web/server/resources.ts');
      const sources = openSources(folders);
      const resources = new Resources(sources, await bundleApp(), { live: out === undefined });
      if (out !== undefined) {
        const { exportApp } = await import('../web/server/export.ts');
        const { terminalReporter } = await import('../cli/reporter.ts');
        const { files, bytes } = await exportApp(resources, out, terminalReporter);
        console.log(`${files} files, ${(bytes / 2 ** 20).toFixed(1)} MiB: ${out}`);
        return;
      }
      const { serve } = await import('../web/server/server.ts');
      const server = await serve(resources, { port, host });
      console.log(`${server.url} shows ${folders.join(', ')}. Stop it with Ctrl-C.`);
      await new Promise<void>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
      });
      await server.close();
    });
}

function parsePort(text: string): number {
  const port = parseCount(text);
  if (port > LARGEST_PORT) throw new InvalidArgumentError(`It must be at most ${LARGEST_PORT}.`);
  return port;
}
