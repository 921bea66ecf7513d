// Speaks to a fresh server by npm's socket.io-client: by polls, by websockets, and by polls that become websockets.
//
//   node main.mjs DIRECTORY
//
// DIRECTORY is where the client was installed.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { startModel } from '../lib/model.mjs';
import { KEY, startServer } from '../lib/server.mjs';
import { Trial } from '../lib/trial.mjs';
import { ALL } from './cases.mjs';
import { golden } from './golden.mjs';

const [directory] = process.argv.slice(2);
const library = await import(pathToFileURL(join(directory, 'node_modules/socket.io-client/build/esm-debug/index.js')));
const trial = new Trial('socket.io-client');
const model = await startModel();
const server = await startServer(model.settings);
try {
  const created = await server.ask('POST', '/api/agents', { agent: { name: 'Ada', bio: ['Counts.'] } });
  const agent = created.json.data.id;
  await server.ask('POST', `/api/agents/${agent}/start`);
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
    for (const each of ALL) {
      const name = each.name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      await trial.resolves(`${transports.join(' then ')}: ${name}`, () => each({ library, server, transports, agent, key: KEY }), () => []);
    }
  }
  const recordedAgent = 'b850bc30-45f8-0041-a00a-83df46d8555d';
  const context = { library, server, agent, recordedAgent, transports: ['websocket'] };
  await golden(context, (label, problems) => trial.note(label, problems));
} finally {
  if (trial.failed) console.log(`--- the server said:\n${server.log()}`);
  await server.stop();
  await model.stop();
}
process.exitCode = trial.end();
