import type { Command } from 'commander';
import type { GlobalOptions } from '../cli/options.ts';
import type { CaseResult } from '../verify/verify.ts';

/** `cim verify DIR`: exit code 1 on any failure. */
export function register(program: Command): void {
  program
    .command('verify <folder>')
    .description('run golden files (inputs and outputs of the original program) through the kernels and compare')
    .option('--json <file>', 'write the whole report as JSON')
    .option('--filter <text>', 'run only cases whose name contains this')
    .option('--verbose', 'list every tensor, not only the worst of each case and failures', false)
    .action(async (folder: string, options: { json?: string; filter?: string; verbose: boolean }, command: Command) => {
      const { withDevice } = await import('../cli/with-device.ts');
      const { verify } = await import('../verify/verify.ts');
      const { caseLines } = await import('../verify/print.ts');
      const { writeFileAtomic } = await import('../formats/atomic.ts');
      await withDevice(command.optsWithGlobals<GlobalOptions>(), async (device) => {
        const print = (result: CaseResult): void => {
          for (const line of caseLines(result, options.verbose)) console.log(line);
        };
        const report = await verify(device, folder, print, options.filter);
        const { known, passed, failed, notCovered } = report;
        console.log(`known ${known}, passed ${passed}, failed ${failed}, not covered ${notCovered}`);
        if (options.json) await writeFileAtomic(options.json, JSON.stringify(report, null, 2));
        if (failed > 0) process.exitCode = 1;
      });
    });
}
