import type { Command } from 'commander';
import type { GlobalOptions } from '../cli/options.ts';
import type { VariantResult } from '../verify/variants.ts';
import type { CaseResult } from '../verify/verify.ts';

interface VerifyOptions {
  json?: string;
  filter?: string;
  verbose: boolean;
  eachVariant: boolean;
}

/** `cim verify DIR`: exit code 1 on any failure. */
export function register(program: Command): void {
  program
    .command('verify <folder>')
    .description('run golden files (inputs and outputs of the original program) through the kernels and compare')
    .option('--json <file>', 'write the whole report as JSON')
    .option('--filter <text>', 'run only cases whose name contains this')
    .option('--verbose', 'list every tensor, not only the worst of each case and failures', false)
    .option(
      '--each-variant',
      'run the files again with every kernel of convolutions and matrix products that fits',
      false,
    )
    .action(async (folder: string, options: VerifyOptions, command: Command) => {
      const { withDevice } = await import('../cli/with-device.ts');
      const { verify } = await import('../verify/verify.ts');
      const { verifyVariants } = await import('../verify/variants.ts');
      const { caseLines, variantLines } = await import('../verify/print.ts');
      const { writeFileAtomic } = await import('../formats/atomic.ts');
      await withDevice(command.optsWithGlobals<GlobalOptions>(), async (device) => {
        const print = (result: CaseResult): void => {
          for (const line of caseLines(result, options.verbose)) console.log(line);
        };
        const printVariant = (result: VariantResult): void => {
          for (const line of variantLines(result)) console.log(line);
        };
        const report = options.eachVariant
          ? await verifyVariants(device, folder, print, printVariant, options.filter)
          : { ...(await verify(device, folder, print, options.filter)), variants: [] };
        const { known, passed, failed, notCovered } = report;
        console.log(`known ${known}, passed ${passed}, failed ${failed}, not covered ${notCovered}`);
        const count = (status: CaseResult['status']): number =>
          report.variants.filter((one) => one.status === status).length;
        if (options.eachVariant) {
          console.log(
            `variants ${report.variants.length}, passed ${count('passed')}, failed ${count('failed')}, ` +
              `not covered ${count('not covered')}`,
          );
        }
        if (options.json) await writeFileAtomic(options.json, JSON.stringify(report, null, 2));
        if (failed + count('failed') > 0) process.exitCode = 1;
      });
    });
}
