// Drives the published web UI of elizaOS in a headless Chromium, in front of Doolittle.
//
//   node main.mjs UI BROWSER CHROMIUM PICTURES
//
// UI is the folder of the built UI, BROWSER where playwright-core was installed, CHROMIUM the program, PICTURES where pictures
// of every step go.

import { KEY, startServer } from '../lib/server.mjs';
import { Trial } from '../lib/trial.mjs';
import { open } from './browser.mjs';
import * as steps from './steps.mjs';

const [ui, installed, chromium, pictures] = process.argv.slice(2);
const trial = new Trial('web ui 1.7.2');

/** Without a key, as the UI's users mostly have it: everything. */
async function everything() {
  const server = await startServer({ ELIZA_UI_DIR: ui, DEFAULT_AGENT: 'true', ELIZA_SERVER_AUTH_TOKEN: '' });
  const browser = await open({ installed, chromium, baseUrl: server.baseUrl, pictures });
  const scene = { ...browser, server, trial };
  try {
    for (const step of steps.ALL) await run(scene, step);
  } finally {
    if (trial.failed) console.log(`--- the server said:\n${server.log()}`);
    await browser.close();
    await server.stop();
  }
}

/** With a key, which the UI keeps where a person has entered it: a chat. */
async function withKey() {
  const server = await startServer({ ELIZA_UI_DIR: ui, DEFAULT_AGENT: 'true' });
  const browser = await open({ installed, chromium, baseUrl: server.baseUrl, key: KEY, pictures: `${pictures}/key` });
  const scene = { ...browser, server, trial };
  try {
    // The UI asks for the version without its key, which the real server refuses, too.
    const refused = /401|fetching server version|Failed to load resource/i;
    await run(scene, steps.agentsAreListed, refused);
    await run(scene, steps.aMessageGetsAStreamedReply, refused);
  } finally {
    await browser.close();
    await server.stop();
  }
}

async function run(scene, step, expected) {
  const name = step.name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  try {
    await step(scene);
    const wrong = scene.wrong().filter((text) => !expected?.test(text));
    trial.note(name, wrong);
  } catch (error) {
    trial.note(name, [error.message.split('\n').slice(0, 12).join(' | '), ...scene.wrong()]);
  }
  await scene.picture(step.name).catch(() => {});
}

await everything();
await withKey();
process.exitCode = trial.end();
