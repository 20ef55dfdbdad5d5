/** Learning rates over steps. */
export interface ScheduleConfig {
  /** After warm-up, before any decay. */
  readonly baseLr: number;
  /** Linear warm-up from `warmupFactor · baseLr` over this many steps. */
  readonly warmupSteps: number;
  /** Share of the base rate at step 0. */
  readonly warmupFactor: number;
  /** `step`: × gamma at each of `decaySteps`. `cosine`: to 0 at `steps`. */
  readonly decay:
    | { readonly type: 'step'; readonly decaySteps: readonly number[]; readonly gamma: number }
    | { readonly type: 'cosine'; readonly steps: number };
}

/**
 * The learning rates that step `step` sets, in order; the last one holds. Usually one; a decay step during warm-up sets
 * two, and the next warm-up step forgets the decay (tools/train.py).
 */
export function learningRates(config: ScheduleConfig, step: number): number[] {
  const { baseLr, warmupSteps, warmupFactor, decay } = config;
  if (decay.type === 'cosine') {
    const warm = step < warmupSteps ? (step + 1) / warmupSteps : 1;
    return [baseLr * Math.max(warmupFactor, warm) * 0.5 * (1 + Math.cos((Math.PI * step) / decay.steps))];
  }
  const decaysNow = decay.decaySteps.includes(step);
  if (step < warmupSteps) {
    const alpha = step / warmupSteps;
    const warm = baseLr * (warmupFactor * (1 - alpha) + alpha);
    return decaysNow ? [warm, warm * decay.gamma] : [warm];
  }
  let lr = baseLr;
  for (const s of decay.decaySteps) if (s >= warmupSteps && s < step) lr *= decay.gamma;
  return decaysNow ? [lr, lr * decay.gamma] : [lr];
}
