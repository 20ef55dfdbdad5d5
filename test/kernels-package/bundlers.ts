/** What bundlers make of apps: minified ES modules, one for each entry, that share nothing. */
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { build, transform } from 'esbuild';
import { rollup } from 'rollup';

export type Bundler = (entries: readonly string[]) => Promise<string[]>;

export const bundleWithEsbuild: Bundler = async (entries) => {
  const { outputFiles } = await build({
    entryPoints: [...entries],
    outdir: 'out',
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    logLevel: 'warning',
  });
  return outputFiles.map(({ text }) => text);
};

/** Rollup leaves minifying to others. */
export const bundleWithRollup: Bundler = (entries) =>
  Promise.all(
    entries.map(async (input) => {
      const onwarn = ({ message }: { message: string }): never => {
        throw new Error(message);
      };
      const bundle = await rollup({ input, plugins: [nodeResolve()], onwarn });
      const { output } = await bundle.generate({ format: 'es' });
      await bundle.close();
      return (await transform(output[0].code, { minify: true, format: 'esm' })).code;
    }),
  );
