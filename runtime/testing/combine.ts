/** One choice of every parameter. As text it reads `n=63 relu=true`. */
export type Case<P extends Record<string, readonly unknown[]>> = { readonly [K in keyof P]: P[K][number] };

/**
 * Every combination of the values, the last parameter changing fastest, as the WebGPU CTS does it. Leave out what makes no
 * sense with `filter`, and put the case into the name of its test:
 *
 *     for (const c of combine({ n: [1, 63, 64], relu: [false, true] }).filter(({ n, relu }) => n > 1 || relu)) {
 *       gpuTest(`add ${c}`, async ({ device }) => …);
 *     }
 *
 * @throws RangeError when a parameter has no values: its tests would silently be none.
 */
export function combine<const P extends Record<string, readonly unknown[]>>(parameters: P): Case<P>[] {
  let cases: Record<string, unknown>[] = [{}];
  for (const [name, values] of Object.entries(parameters)) {
    if (values.length === 0) throw new RangeError(`The parameter ${name} has no values to combine.`);
    cases = cases.flatMap((one) => values.map((value) => ({ ...one, [name]: value })));
  }
  for (const one of cases) Object.defineProperty(one, 'toString', { value: () => nameOf(one) });
  return cases as Case<P>[];
}

const nameOf = (one: object): string =>
  Object.entries(one)
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' ');
