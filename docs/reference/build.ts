/**
 * Makes the API reference, `docs/api/index.html`, or in the folder given: pages that need no network, with search. One page a file that programs
 * import, in the folders of its package; the guides of `docs` and the READMEs are among them. Broken links, types that
 * are public but not exported, and anything public without documentation are errors.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { Application, Converter, ReflectionKind } from 'typedoc';
import { publicFiles, root } from './public-api.ts';

const inRoot = (...names: string[]): string => path.join(root, ...names);
const [out = inRoot('docs', 'api')] = process.argv.slice(2);
const guides = readdirSync(inRoot('docs')).filter((name) => name.endsWith('.md'));

const app = await Application.bootstrap({
  name: 'Complete Instances Mining on WebGPU',
  entryPoints: publicFiles().map((file) => inRoot(file)),
  tsconfig: inRoot('tsconfig.json'),
  basePath: root,
  displayBasePath: root,
  readme: inRoot('README.md'),
  projectDocuments: [
    ...guides.map((name) => inRoot('docs', name)),
    ...['kernels', 'runtime', 'model'].map((name) => inRoot(name, 'README.md')),
  ],
  out,
  disableGit: true,
  disableSources: true,
  skipErrorChecking: true,
  excludePrivate: true,
  excludeExternals: true,
  hideGenerator: true,
  markdownItOptions: { html: true, linkify: false },
  highlightLanguages: ['ts', 'js', 'sh', 'json', 'csv', 'wgsl', 'html'],
  navigation: { includeFolders: true },
  sort: ['source-order'],
  searchInComments: true,
  searchInDocuments: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
  treatWarningsAsErrors: true,
});
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  for (const page of project.getChildrenByKind(ReflectionKind.Module)) page.name = `@cim/${page.name}`;
  // TypeDoc's name of an object that a function takes apart.
  for (const parameter of project.getReflectionsByKind(ReflectionKind.Parameter)) {
    if (parameter.name === '__namedParameters') parameter.name = 'options';
  }
});

const project = await app.convert();
if (project) {
  app.validate(project);
  if (!app.logger.hasErrors() && !app.logger.hasWarnings()) await app.generateOutputs(project);
}
if (!project || app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
