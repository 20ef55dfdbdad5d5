/** What `cim demo` takes unless told otherwise. */
export const DEMO_DEFAULTS = { out: 'runs/demo', seed: 1 } as const;
