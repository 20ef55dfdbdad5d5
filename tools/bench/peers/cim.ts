/** Our own kernels, measured as the peers are. */
import type { Device } from '@cim/runtime';
import { type Contestant, serve, type Work } from './contestant.ts';

let device: Device;

const contestant: Contestant = {
  async open(driver) {
    const { Device } = await import('@cim/runtime');
    device = await Device.open({ driver });
  },
  async prepare(problem) {
    const wait = (): Promise<void> => device.finish();
    if (problem.family === 'hrnet') {
      const { hrnetRun } = await import('./hrnet.ts');
      return { ...(await hrnetRun(device, problem)), wait };
    }
    const { problemRun } = await import('../problem-item.ts');
    const { run, dispose, result } = problemRun(device, problem);
    await wait();
    return { run, wait, dispose, result: () => device.read(result) } satisfies Work;
  },
};

serve(contestant);
