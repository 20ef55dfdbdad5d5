/** Pages in a headless browser: `launchBrowser()`, then `servePage(FOLDER)`. */
export { BrowserUnavailableError, findChromium, requireChromium } from './find.ts';
export { launchBrowser } from './launch.ts';
export { filesOf, type PageServer, servePage } from './serve.ts';
