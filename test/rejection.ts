/** What a promise is rejected with, or a function throws. @throws when neither happens. */
export async function rejection(
  run: Promise<unknown> | (() => unknown),
): Promise<Error & { readonly remedy?: string }> {
  try {
    await (typeof run === 'function' ? run() : run);
  } catch (error) {
    return error as Error;
  }
  throw new Error('It did not fail.');
}
