/** The shell: header, addresses, and the page that is shown. Addresses are `#PAGE/SOURCE/…`. */
import type { AppIndex, SourceInfo } from '../wire.ts';
import { el, select } from './dom.ts';
import type { App, MountedPage, Page } from './page.ts';
import { pages } from './pages.ts';

const status = el('div', { class: 'visually-hidden', role: 'status' });
const main = el('main', { id: 'main', tabindex: -1 });
const nav = el('nav', { 'aria-label': 'Pages' });
const sourcePlace = el('div', { class: 'source' });

/** A step of an address is one encoded word. */
const url = (...words: readonly string[]): string => words.map(encodeURIComponent).join('/');

async function json<T>(...words: readonly string[]): Promise<T> {
  const address = url(...words);
  const response = await fetch(address).catch(() => {
    throw new Error('The server does not answer. Start it again with cim serve.');
  });
  if (response.ok) return (await response.json()) as T;
  const told = (await response.json().catch(() => ({}))) as { error?: string; remedy?: string };
  throw new Error(
    [told.error ?? `${address}: ${response.status} ${response.statusText}`, told.remedy].filter(Boolean).join(' '),
  );
}

interface Address {
  readonly page: Page;
  readonly source: SourceInfo;
  readonly path: readonly string[];
}

function addressOf({ sources }: AppIndex): Address {
  const [pageName, key, ...path] = location.hash.slice(1).split('/').map(decodeURIComponent);
  const source = sources.find((one) => one.key === key) ?? sources[0];
  const page = pages.find(({ name }) => name === pageName) ?? pages.find(({ suits }) => suits(source)) ?? pages[0];
  return { page, source, path: source.key === key ? path : [] };
}

const hashOf = (page: string, source: string, path: readonly string[] = []): string => `#${url(page, source, ...path)}`;

let shown: { address: Address; app: App & { path: readonly string[] }; page: MountedPage | null } | undefined;
/** Rises with every page that is asked for, so that one that took long does not appear over a later one. */
let turn = 0;

async function show(index: AppIndex): Promise<void> {
  const address = addressOf(index);
  if (shown && shown.address.page === address.page && shown.address.source === address.source) {
    shown.app.path = address.path;
    shown.page?.navigate?.(address.path);
    return;
  }
  const mine = ++turn;
  shown?.page?.unmount();
  main.replaceChildren();
  main.className = `page-${address.page.name}`;
  document.title = `${address.page.title} · ${address.source.key} · CIM`;
  drawHeader(index, address);
  const { page, source } = address;
  const app = {
    index,
    source,
    path: address.path,
    setPath(path: readonly string[], { push = false } = {}): void {
      app.path = path;
      history[push ? 'pushState' : 'replaceState'](null, '', hashOf(page.name, source.key, path));
    },
    url,
    json,
    announce: (message: string): void => void (status.textContent = message),
  };
  const current: NonNullable<typeof shown> = { address, app, page: null };
  shown = current;
  const place = el('div');
  try {
    const { mount } = await page.load();
    if (mine !== turn) return;
    main.replaceChildren(place);
    const mounted = await mount(place, app);
    if (mine === turn) current.page = mounted;
    else mounted.unmount();
  } catch (error) {
    if (mine === turn) main.replaceChildren(notice((error as Error).message));
  }
}

const notice = (text: string): HTMLElement => el('p', { class: 'notice', role: 'alert' }, text);

function drawHeader({ sources }: AppIndex, { page, source }: Address): void {
  nav.replaceChildren(
    ...pages.map(({ name, title }) =>
      el('a', { href: hashOf(name, source.key), 'aria-current': name === page.name ? 'page' : null }, title),
    ),
  );
  const options = sources.map(({ key, folder }) => [key, folder] as const);
  const list = select(options, source.key, (key) => {
    const chosen = sources.find((one) => one.key === key)!;
    const suited = page.suits(chosen) ? page : (pages.find(({ suits }) => suits(chosen)) ?? page);
    location.hash = hashOf(suited.name, key);
  });
  sourcePlace.replaceChildren(
    sources.length > 1
      ? el('label', {}, el('span', { class: 'visually-hidden' }, 'Folder'), list)
      : el('span', { class: 'folder' }, source.folder),
  );
}

async function start(): Promise<void> {
  const skip = el('a', { class: 'skip', href: '#main' }, 'Skip to the content');
  skip.addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
  const mark = el('span', { class: 'mark', 'aria-hidden': 'true' });
  const header = el('header', {}, el('p', { class: 'brand' }, mark, 'Complete Instances Mining'), nav, sourcePlace);
  document.body.replaceChildren(skip, header, main, status);
  try {
    const index = await json<AppIndex>('api', 'index.json');
    window.addEventListener('hashchange', () => void show(index));
    window.addEventListener('popstate', () => void show(index));
    await show(index);
  } catch (error) {
    main.replaceChildren(notice((error as Error).message));
  }
}

void start();
