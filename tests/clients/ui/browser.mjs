// A browser with one page, which notes everything that goes wrong in it.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const PATIENCE_MS = 20_000;

const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/**
 * What the published UI asks of other machines, which need not be reachable, and what it makes of that. It would ask, and fail,
 * in front of the real server too.
 */
const ELSEWHERE = [
  /api\.github\.com/, /raw\.githubusercontent\.com/, /fetch from registry/i, /fetch plugin registry/i, /fetching latest release/i,
];

/** What the server forbids the page, it forbids wherever that leads. */
const FORBIDDEN = /Content Security Policy/;

/** Opens the UI at a base URL. Without a key the server must ask for none. */
export async function open({ installed, chromium, baseUrl, key, pictures }) {
  const { chromium: launcher } = await import(pathToFileURL(join(installed, 'node_modules/playwright-core/index.mjs')));
  const browser = await launcher.launch({ executablePath: chromium, args: ARGUMENTS });
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript((stored) => {
    // The tour for newcomers would lie over everything.
    localStorage.setItem('eliza-onboarding-completed', 'true');
    if (stored) localStorage.setItem(`eliza-api-key-${location.origin}`, stored);
  }, key);
  const page = await context.newPage();
  const wrong = [];
  const note = (text) => {
    if (FORBIDDEN.test(text) || !ELSEWHERE.some((known) => known.test(text))) wrong.push(text.slice(0, 400));
  };
  page.on('pageerror', (error) => note(`an exception: ${error.message}`));
  page.on('console', (message) => {
    const where = message.location().url ?? '';
    if (message.type() === 'error') note(`console: ${message.text()} (${where})`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) note(`${response.status()} for ${response.request().method()} ${response.url()}`);
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    // A page that is left gives up what it was asking for.
    if (why !== 'net::ERR_ABORTED') note(`${why} for ${request.method()} ${request.url()}`);
  });
  const frames = [];
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(String(payload))));
  mkdirSync(pictures, { recursive: true });
  let number = 0;
  return {
    page,
    /** What went wrong since this was last asked. */
    wrong: () => wrong.splice(0),
    /** The frames of websockets that came since this was last asked. */
    frames: () => frames.splice(0),
    /** Keeps a picture of the page. */
    async picture(name) {
      number += 1;
      await page.screenshot({ path: join(pictures, `${String(number).padStart(2, '0')}-${name}.png`) });
    },
    close: () => browser.close(),
  };
}
