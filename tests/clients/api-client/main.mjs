// Calls every method of every service of @elizaos/api-client against a fresh server, and holds what it resolves to against
// the package's own declarations.
//
//   node main.mjs VERSION DIRECTORY
//
// DIRECTORY is where that version was installed. The exit code is 0 if everything holds and no method was left out.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { watch } from '../lib/coverage.mjs';
import { startModel } from '../lib/model.mjs';
import { KEY, startServer } from '../lib/server.mjs';
import { Trial } from '../lib/trial.mjs';
import * as agents from './agents.mjs';
import { jobs, sessions } from './conversations.mjs';
import { audio, media } from './files.mjs';
import { memory, runs } from './memory.mjs';
import { messaging } from './messaging.mjs';
import * as operation from './operation.mjs';
import { Scene } from './scene.mjs';

const [version, directory] = process.argv.slice(2);
const here = new URL('.', import.meta.url);
const read = (name) => readFileSync(new URL(name, here), 'utf8');

/** The steps in their order: what one leaves the next finds. */
const STEPS = [
  agents.agents, messaging, audio, agents.deeds, runs, memory, media, operation.system, sessions, jobs, agents.farewell,
  operation.server, operation.stop,
];

const library = await import(pathToFileURL(join(directory, 'node_modules/@elizaos/api-client/dist/index.js')));
const trial = new Trial(`api-client ${version}`);
const model = await startModel();
const server = await startServer(model.settings);
try {
  const config = { baseUrl: server.baseUrl, apiKey: KEY };
  const client = new library.ElizaClient(config);
  const coverage = watch(client, library.BaseApiClient);
  const scene = new Scene({ client, trial, server, older: version.startsWith('1.3') });
  // The helper that posts messages names no author; who uses the client says so once, in its settings.
  client.messaging.defaultHeaders['X-Entity-Id'] = scene.user;
  for (const step of STEPS) await trial.attempt(`step ${step.name}`, () => step(scene));

  const never = coverage.never();
  trial.note(`all ${coverage.all().length} methods are called`, never.length === 0 ? [] : [`never: ${never.join(', ')}`]);
  documented(trial);
} finally {
  if (trial.failed) console.log(`--- the server said:\n${server.log()}`);
  await server.stop();
  await model.stop();
}
process.exitCode = trial.end();

/** What does not resolve to its declared type is in the documentation. */
function documented(book) {
  const page = read('../../../docs/api-design.md');
  const missing = [...book.unlike.keys()].filter((label) => !page.includes(`\`${label.split('.')[1]}\``));
  book.note('what cannot be as it is declared is documented', missing.length === 0 ? [] : [`docs/api-design.md lacks ${missing.join(', ')}`]);
}
