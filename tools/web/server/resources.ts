/** What is served, by address: a tree of files, some of them made when they are asked for. */
import { join } from 'node:path';
import sharp from 'sharp';
import type { AppIndex, SourceInfo } from '../wire.ts';
import type { Bundle } from './bundle.ts';
import { trainingLogs } from './logs.ts';
import { dataFolder, describeSource, fileInside, type Source, servedFile, splitsOf } from './sources.ts';
import { type SplitSource, SplitView, splitStamp } from './split-view.ts';

/** An answer: bytes, or a file as it is on the disk. */
export type Resource =
  | { readonly type: string; readonly body: string | Uint8Array }
  | { readonly file: string; readonly fromUser?: boolean };

/** Small pictures fit into a square of so many pixels. */
const THUMB = 480;
/** So many of them stay in memory. */
const THUMBS_KEPT = 2000;

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  wasm: 'application/wasm',
};

const json = (value: unknown): Resource => ({ type: 'application/json', body: JSON.stringify(value) });

export class Resources {
  readonly #sources: readonly Source[];
  readonly #bundle: Bundle;
  readonly #live: boolean;
  readonly #views = new Map<string, { readonly stamp: string; readonly view: Promise<SplitView> }>();
  readonly #thumbs = new Map<string, Promise<Uint8Array>>();

  /** @param live whether there is a server behind the pages: {@link AppIndex.live}. */
  constructor(sources: readonly Source[], bundle: Bundle, { live }: { live: boolean }) {
    this.#sources = sources;
    this.#bundle = bundle;
    this.#live = live;
  }

  source(key: string | undefined): Source | undefined {
    return this.#sources.find((source) => source.key === key);
  }

  /**
   * What stands at an address, given as its decoded words; null when nothing does.
   * @throws DataError when a file that it is made from is damaged.
   */
  async get(words: readonly string[]): Promise<Resource | null> {
    const [area, key, ...rest] = words;
    const source = this.source(key);
    if (area === 'api' && key === 'index.json' && rest.length === 0) return json(await this.index());
    if (area === 'api' && source) return this.#made(source, rest);
    if (area === 'files' && source) {
      const file = await servedFile(source, rest);
      return file === null ? null : { file, fromUser: true };
    }
    const address = words.join('/') || 'index.html';
    const body = this.#bundle.get(address);
    return body ? { type: TYPES[address.split('.').at(-1)!] ?? 'application/octet-stream', body } : null;
  }

  async index(): Promise<AppIndex> {
    const sources = await Promise.all(this.#sources.map((source) => describeSource(source, this.#sources)));
    return { live: this.#live, sources };
  }

  /** Every address of the tree, for an export. */
  async *addresses(): AsyncGenerator<string[], void> {
    for (const address of this.#bundle.keys()) yield address.split('/');
    yield ['api', 'index.json'];
    for (const info of (await this.index()).sources) yield* this.#addressesOf(info);
  }

  async *#addressesOf({ key, kind, splits, files }: SourceInfo): AsyncGenerator<string[], void> {
    for (const file of files) yield ['files', key, file];
    if (kind === 'run') yield ['api', key, 'log.json'];
    for (const split of splits) {
      const at = ['api', key, split];
      yield [...at, 'images.json'];
      const { index } = (await this.#view(this.source(key)!, split))!;
      for (const { id, file } of index.images) {
        yield [...at, `${id}.json`];
        if (index.layers.includes('proposals')) yield [...at, `${id}-proposals.json`];
        yield [...at, 'images', file];
        yield [...at, 'thumbs', `${id}.webp`];
      }
    }
  }

  async #made(source: Source, [first, ...rest]: readonly string[]): Promise<Resource | null> {
    if (first === 'log.json' && rest.length === 0 && source.kind === 'run') {
      return json(await trainingLogs(source.folder));
    }
    if (first === undefined || rest.length === 0) return null;
    const view = await this.#view(source, first);
    if (!view) return null;
    const [name, file] = rest;
    if (rest.length === 1) {
      if (name === 'images.json') return json(view.index);
      const [, id, what] = /^(\d+)(-proposals)?\.json$/.exec(name) ?? [];
      if (id === undefined) return null;
      const found = what ? await view.proposals(Number(id)) : await view.detail(Number(id));
      return found && json(found);
    }
    const id = Number(/^(\d+)\.\w+$/.exec(file)?.[1] ?? Number.NaN);
    const path = view.imageFile(id);
    if (rest.length > 2 || path === undefined) return null;
    const inside = await fileInside(
      this.#sources.map(({ folder }) => folder),
      path,
    );
    if (inside === null) return null;
    if (name === 'images') return { file: inside };
    return name === 'thumbs' ? { type: 'image/webp', body: await this.#thumb(inside) } : null;
  }

  /** What a split looks like now; null when the source has no such split. */
  async #view(source: Source, split: string): Promise<SplitView | null> {
    const data = await dataFolder(source, this.#sources);
    if (data === null || !splitsOf(data).includes(split)) return null;
    const from: SplitSource = { data, split, run: source.kind === 'run' ? source.folder : null };
    const key = join(source.key, split);
    const stamp = splitStamp(from);
    const known = this.#views.get(key);
    if (known?.stamp === stamp) return known.view;
    const view = SplitView.open(from);
    this.#views.set(key, { stamp, view });
    view.catch(() => this.#views.delete(key));
    return view;
  }

  #thumb(file: string): Promise<Uint8Array> {
    let thumb = this.#thumbs.get(file);
    if (!thumb) {
      thumb = sharp(file)
        .autoOrient()
        .resize({ width: THUMB, height: THUMB, fit: 'inside', withoutEnlargement: true })
        .webp({ quality: 84 })
        .toBuffer();
      thumb.catch(() => this.#thumbs.delete(file));
      this.#thumbs.set(file, thumb);
      const [oldest] = this.#thumbs.keys();
      if (this.#thumbs.size > THUMBS_KEPT) this.#thumbs.delete(oldest);
    }
    return thumb;
  }
}
