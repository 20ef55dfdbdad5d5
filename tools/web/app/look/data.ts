/** What the server knows of a split, asked for once. */
import type { ImageDetail, ImageInfo, ProposalList, SplitIndex } from '../../wire.ts';
import type { App } from '../page.ts';

/** Images whose objects stay in memory. */
const KEPT = 400;

export class SplitData {
  readonly split: string;
  readonly index: SplitIndex;
  readonly #app: App;
  readonly #details = new Map<string, Promise<unknown>>();

  static async open(app: App, split: string): Promise<SplitData> {
    return new SplitData(app, split, await app.json<SplitIndex>('api', app.source.key, split, 'images.json'));
  }

  private constructor(app: App, split: string, index: SplitIndex) {
    this.#app = app;
    this.split = split;
    this.index = index;
  }

  detail({ id }: ImageInfo): Promise<ImageDetail> {
    return this.#kept(`${id}.json`);
  }

  proposals({ id }: ImageInfo): Promise<ProposalList> {
    return this.#kept(`${id}-proposals.json`);
  }

  picture({ file }: ImageInfo): string {
    return this.#app.url('api', this.#app.source.key, this.split, 'images', file);
  }

  thumb({ id }: ImageInfo): string {
    return this.#app.url('api', this.#app.source.key, this.split, 'thumbs', `${id}.webp`);
  }

  #kept<T>(file: string): Promise<T> {
    let found = this.#details.get(file) as Promise<T> | undefined;
    if (found)
      this.#details.delete(file); // the last entry is the most recently used
    else {
      found = this.#app.json<T>('api', this.#app.source.key, this.split, file);
      found.catch(() => this.#details.delete(file));
    }
    this.#details.set(file, found);
    if (this.#details.size > KEPT) this.#details.delete(this.#details.keys().next().value!);
    return found;
  }
}
