import type { Command } from 'commander';
import type { GlobalOptions } from '../cli/options.ts';

/** `cim doctor`: exit code 1 when something essential is missing. */
export function register(program: Command): void {
  program
    .command('doctor')
    .description('show what this machine runs the kernels on, check its gradients, and say what is missing')
    .action(async (_options: unknown, command: Command) => {
      const { examine } = await import('../doctor/doctor.ts');
      if (!(await examine(command.optsWithGlobals<GlobalOptions>()))) process.exitCode = 1;
    });
}
