import type { Page } from './page.ts';

/** In the order of the header. */
export const pages: readonly Page[] = [
  {
    name: 'look',
    title: 'Look',
    suits: ({ kind, splits }) => splits.length > 0 || kind === 'data',
    load: () => import('./look/page.ts'),
  },
  {
    name: 'watch',
    title: 'Watch',
    suits: ({ kind }) => kind === 'run',
    load: () => import('./watch/page.ts'),
  },
  {
    name: 'try',
    title: 'Try',
    suits: ({ files }) => files.includes('cim.safetensors') && files.includes('recipe.json'),
    load: () => import('../try/page.ts'),
  },
];
