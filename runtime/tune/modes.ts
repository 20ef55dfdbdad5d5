/** `off`: kernels by estimated work alone. `cached`: by what tuning found. `background`: that, and training tunes more. */
export const TUNING_MODES = ['off', 'cached', 'background'] as const;
export type TuningMode = (typeof TUNING_MODES)[number];

export const isTuningMode = (name: string): name is TuningMode => (TUNING_MODES as readonly string[]).includes(name);
