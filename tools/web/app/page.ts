/** How a page plugs into the app. */
import type { AppIndex, SourceInfo } from '../wire.ts';

/** What the app does for its pages. */
export interface App {
  readonly index: AppIndex;
  /** The folder that was chosen in the header; another one mounts the page anew. */
  readonly source: SourceInfo;
  /** What follows page and source in the address: `#look/demo/val/17` is ['val', '17']. */
  readonly path: readonly string[];
  /** Puts another path into the address without mounting anew; `push` makes it a step that the back button takes back. */
  setPath(path: readonly string[], options?: { readonly push?: boolean }): void;
  /** An address relative to the app's folder, such as `files/demo/cim.safetensors`, from encoded words. */
  url(...words: readonly string[]): string;
  /** JSON at such an address. @throws Error with the server's message and remedy. */
  json<T>(...words: readonly string[]): Promise<T>;
  /** Says something to people who use a screen reader. */
  announce(message: string): void;
}

/** A page that is shown. */
export interface MountedPage {
  /** The path in the address has changed, by the back button or by hand. */
  navigate?(path: readonly string[]): void;
  /** Stops what goes on; the app clears the container. */
  unmount(): void;
}

/** Shows a page in `container`, an empty `<main>`. What it throws is shown instead. */
export type Mount = (container: HTMLElement, app: App) => MountedPage | Promise<MountedPage>;

export interface Page {
  /** In the address. */
  readonly name: string;
  readonly title: string;
  /** Whether it has something to show of a folder. */
  readonly suits: (source: SourceInfo) => boolean;
  /** Loaded when it is first shown, in a chunk of its own. */
  readonly load: () => Promise<{ readonly mount: Mount }>;
}
