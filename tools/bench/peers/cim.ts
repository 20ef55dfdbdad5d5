/** Our own kernels, measured as the peers are. */
import type { Device } from '@cim/runtime';
import type { BenchItem } from '../item.ts';
import type { OwnProblem, Problem } from '../problem.ts';
import { type Contestant, serve, type Work } from './contestant.ts';

let device: Device;
let fastest: BenchItem | undefined;

async function prepare(problem: Problem | OwnProblem): Promise<Omit<Work, 'wait'>> {
  switch (problem.family) {
    case 'hrnet': {
      const { hrnetRun } = await import('./hrnet.ts');
      return hrnetRun(device, problem);
    }
    case 'trainingStep': {
      const { presets } = await import('@cim/model/recipe/presets');
      const { prepareTraining } = await import('../../step/step.ts');
      const { preset, ...size } = problem.shape;
      const training = await prepareTraining(device, { ...size, recipe: presets[preset], weights: 'random' });
      return {
        run: async () => void (await training.step()),
        result: async () => [],
        dispose: () => training.dispose(),
      };
    }
    case 'multiplyAdd': {
      const { fastestMultiplyAdds, ROOFLINE_SIZE } = await import('../roofline.ts');
      fastest ??= (await fastestMultiplyAdds(device, ROOFLINE_SIZE))[0];
      const { run, dispose } = fastest.setup(device);
      return { run, dispose, result: async () => [], flops: fastest.flops };
    }
    default: {
      const { problemRun } = await import('../problem-item.ts');
      const { run, dispose, result } = problemRun(device, problem);
      return { run, dispose, result: () => device.read(result) };
    }
  }
}

const contestant: Contestant<Problem | OwnProblem> = {
  async open(driver) {
    const { Device } = await import('@cim/runtime');
    device = await Device.open({ driver });
  },
  async prepare(problem) {
    const work = await prepare(problem);
    await device.finish();
    return { ...work, wait: () => device.finish() };
  },
};

serve(contestant);
