/** A headless browser with WebGPU, hardware or not. */
import { type Browser, chromium } from 'playwright-core';
import { BrowserUnavailableError, requireChromium } from './find.ts';

const QUIET = ['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
/**
 * Chromium's own SwiftShader: the one driver that every Chromium has. Compute needs no more than the first two; without
 * the others the first WebGPU canvas fails and takes the device along.
 */
const SWIFTSHADER = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--use-vulkan=swiftshader',
  '--use-angle=swiftshader',
  '--enable-features=Vulkan',
];
const LAUNCH_TIMEOUT = 60_000;

/**
 * A browser of Chromium's family, headless, whose pages have WebGPU on SwiftShader. The caller closes it.
 * @throws BrowserUnavailableError when none can be found, installed or started.
 */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = await requireChromium();
  // Chromium refuses its sandbox to root; the pages are ours.
  const args = ['--no-sandbox', '--disable-quic', ...QUIET, ...SWIFTSHADER];
  try {
    return await chromium.launch({
      executablePath,
      args,
      headless: true,
      timeout: LAUNCH_TIMEOUT,
      // Playwright would close the browser and let the process live on; without, both end.
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
  } catch (cause) {
    const why = (cause as Error).message.split('\n')[0];
    throw new BrowserUnavailableError(
      `${executablePath} does not start: ${why}`,
      'Name the program of another Chromium or Chrome in $CIM_CHROMIUM.',
      { cause },
    );
  }
}
