// Starts the real elizaOS server, version 1.7.2, on a fresh embedded database, so that the suite can ask it the same
// questions as ours. Nothing of it is part of Doolittle: install it in a directory of its own, by package name, and run
// this file there (docs/conformance.md has the commands).
//
//   bun start.mjs PORT MODEL_PORT [KEY]
//
// PORT        where the server listens, on 127.0.0.1
// MODEL_PORT  where the suite serves its model (`conformance --model-port`)
// KEY         the server asks for this key (ELIZA_SERVER_AUTH_TOKEN); without it it asks for none
//
// It ends with Ctrl-C, and its database with it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [port, modelPort, key] = process.argv.slice(2);
if (!port || !modelPort) {
  console.error('usage: bun start.mjs PORT MODEL_PORT [KEY]');
  process.exit(2);
}

const directory = mkdtempSync(join(tmpdir(), 'eliza-reference-'));
// The server looks for `.env` and keeps its files where it is started; it shall find nothing and leave nothing.
process.chdir(directory);
Object.assign(process.env, {
  SERVER_HOST: '127.0.0.1',
  SERVER_PORT: port,
  // Agents post their replies to the server's own API; a key has to reach them too.
  ...(key ? { ELIZA_SERVER_AUTH_TOKEN: key } : {}),
  ELIZA_DATA_DIR: directory,
  PGLITE_DATA_DIR: join(directory, 'database'),
  OPENAI_BASE_URL: `http://127.0.0.1:${modelPort}/v1`,
  OPENAI_API_KEY: 'x',
  // No reports of errors to anybody, and no web UI, which the suite does not ask for.
  SENTRY_DSN: 'http://nobody@127.0.0.1:9/0',
  ELIZA_UI_ENABLE: 'false',
  LOG_LEVEL: process.env.LOG_LEVEL ?? 'error',
});

// Imported only now, because the modules read the environment as they load.
const { AgentServer } = await import('@elizaos/server');
const server = new AgentServer();
await server.start({ port: Number(port), dataDir: process.env.PGLITE_DATA_DIR });
console.log(`elizaOS 1.7.2 listens on http://127.0.0.1:${port}`);

process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
