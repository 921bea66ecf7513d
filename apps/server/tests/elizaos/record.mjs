// Fills a real elizaOS server, version 1.7.2, through its API and writes down what its database holds then: the rows that
// the tests of `doolittle import` move in. Nothing of elizaOS is part of Doolittle: install it in a directory of its own, by
// package name, and run this file there (README.md beside it has the commands).
//
//   bun record.mjs PORT MODEL_PORT DATABASE DUMP
//
// PORT        where the server listens, on 127.0.0.1
// MODEL_PORT  where the model is served that its agents speak through
// DATABASE    the directory of its embedded database, which is made; it can be opened with PGlite afterwards
// DUMP        where its tables and rows are written as SQL, without the logs, which hold prompts, and without what only a
//             database with the extension `vector` takes

import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const [port, modelPort, database, dump] = process.argv.slice(2);
if (!dump) {
  console.error('usage: bun record.mjs PORT MODEL_PORT DATABASE DUMP');
  process.exit(2);
}
const [databaseDirectory, dumpFile] = [resolve(database), resolve(dump)];

// What the agents say, and what they make of it when they look back.
const says = (text) => `<response><name>X</name><reasoning>r</reasoning><action>RESPOND</action><thought>a thought</thought>
<actions>REPLY</actions><providers></providers><text>${text}</text></response>`;
const looksBack = `<response><thought>that went well</thought><facts><fact><claim>Lin grows tomatoes on a balcony</claim>
<type>fact</type><in_bio>false</in_bio><already_known>false</already_known></fact></facts><relationships></relationships></response>`;

function said(asked) {
  if (asked.includes('Extract Facts')) return looksBack;
  if (asked.includes('tomatoes')) return says('Tomatoes want much sun & water.');
  return says('pong');
}

function vector(text) {
  const numbers = new Array(384).fill(0);
  [...Buffer.from(text)].forEach((byte, index) => { numbers[(index * 31 + byte * 7) % 384] += 0.1; });
  return numbers;
}

createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(parts).toString() || '{}');
    response.setHeader('content-type', 'application/json');
    if (request.url.endsWith('/embeddings')) {
      const inputs = [body.input].flat();
      const data = inputs.map((text, index) => ({ object: 'embedding', index, embedding: vector(String(text)) }));
      return response.end(JSON.stringify({ object: 'list', data, model: body.model, usage: { prompt_tokens: 1, total_tokens: 1 } }));
    }
    const text = said(JSON.stringify(body));
    const item = { type: 'message', id: 'm', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text, annotations: [] }] };
    const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
    const whole = { id: 'r', object: 'response', created_at: 0, model: body.model, status: 'completed', output: [item], usage,
      incomplete_details: null, error: null };
    if (!body.stream) return response.end(JSON.stringify(whole));
    response.setHeader('content-type', 'text/event-stream');
    const events = [
      { type: 'response.created', response: { ...whole, status: 'in_progress', output: [] } },
      { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
      { type: 'response.output_text.delta', item_id: 'm', output_index: 0, content_index: 0, delta: text },
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: whole },
    ];
    response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''));
  });
}).listen(Number(modelPort), '127.0.0.1');

// The server looks for `.env` and keeps its files where it is started; it shall find nothing and leave nothing.
// elizaOS keeps the environment of its process with the secrets of every agent that it starts: this one tells of nobody.
const scratch = mkdtempSync(join(tmpdir(), 'eliza-record-'));
process.chdir(scratch);
for (const name of Object.keys(process.env)) delete process.env[name];
Object.assign(process.env, {
  HOME: '/home/eliza',
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LANG: 'C.UTF-8',
  SERVER_HOST: '127.0.0.1',
  SERVER_PORT: port,
  ELIZA_DATA_DIR: scratch,
  PGLITE_DATA_DIR: databaseDirectory,
  SECRET_SALT: 'the salt of the recording',
  OPENAI_BASE_URL: `http://127.0.0.1:${modelPort}/v1`,
  OPENAI_API_KEY: 'x',
  OPENAI_EMBEDDING_DIMENSIONS: '384',
  SENTRY_DSN: 'http://nobody@127.0.0.1:9/0',
  ELIZA_UI_ENABLE: 'false',
  LOG_LEVEL: 'error',
});
const { AgentServer } = await import('@elizaos/server');
const server = new AgentServer();
await server.start({ port: Number(port), dataDir: databaseDirectory });

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const base = `http://127.0.0.1:${port}/api`;
async function ask(method, path, body) {
  const answer = await fetch(`${base}${path}`, {
    method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text).data : undefined;
}

// The server catches what nobody else does, and would go on without us.
process.once('unhandledRejection', (error) => { console.error(error); process.exit(1); });
const DEFAULT = '00000000-0000-0000-0000-000000000000';
const [LIN, MAX] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];
const ADA = (await ask('POST', '/agents', { characterJson: {
  name: 'Ada', username: 'ada', system: 'You are Ada.', bio: ['Counts things.', 'Likes engines.'],
  topics: ['numbers'], adjectives: ['exact'], postExamples: ['42.'],
  messageExamples: [[{ name: '{{user1}}', content: { text: 'Hi' } }, { name: 'Ada', content: { text: 'Hello.', actions: ['REPLY'] } }]],
  knowledge: ['The engine has a store and a mill.'], plugins: ['@elizaos/plugin-bootstrap', '@elizaos/plugin-openai'],
  style: { all: ['be brief'], chat: ['ask back'] },
  settings: { voice: { model: 'en_US' }, maxWords: 50, secrets: { ADA_TOKEN: 'token-of-ada' } },
  secrets: { OTHER_TOKEN: 'another-token-of-ada' },
} })).id;
const GRACE = (await ask('POST', '/agents', { characterJson: {
  name: 'Grace', bio: 'Finds bugs.', plugins: ['@elizaos/plugin-bootstrap', '@elizaos/plugin-openai'], settings: {},
} })).id;
for (const agent of [ADA, GRACE]) await ask('POST', `/agents/${agent}/start`);
await sleep(3000);

// A server has one message server at work; others are kept and no agent may be tied to them.
const workshop = (await ask('POST', '/messaging/message-servers', {
  name: 'Workshop', sourceType: 'discord', sourceId: 'guild-7', metadata: { region: 'eu' },
})).server.id;
for (const agent of [ADA, GRACE]) await ask('POST', `/messaging/message-servers/${DEFAULT}/agents`, { agentId: agent });
const channel = async (name, type, serverId, people, metadata) => (await ask('POST', '/messaging/channels', {
  name, type, message_server_id: serverId, participantCentralUserIds: people, metadata,
})).id;
const dm = await channel('Lin and Ada', 'DM', DEFAULT, [LIN, ADA], { isDm: true, user1: LIN, user2: ADA, forAgent: ADA });
const group = await channel('Garden', 'GROUP', DEFAULT, [LIN, MAX, ADA, GRACE], { topic: 'plants' });
const quiet = await channel('Quiet', 'GROUP', DEFAULT, [], {});

async function say(channelId, serverId, author, name, content, isDm, more = {}) {
  await ask('POST', `/messaging/channels/${channelId}/messages`, {
    author_id: author, content, message_server_id: serverId, source_type: 'client_chat', raw_message: { text: content, ...more },
    metadata: { user_display_name: name, channelType: isDm ? 'DM' : 'GROUP', ...(isDm ? { isDm: true } : {}) },
  });
  await sleep(2500);
}
const picture = { id: 'picture', url: 'https://example.org/plant.png', contentType: 'image', title: 'a plant' };
await say(dm, DEFAULT, LIN, 'Lin', 'Hello Ada', true);
await say(dm, DEFAULT, LIN, 'Lin', 'I grow tomatoes on my balcony. What do they want?', true);
await say(dm, DEFAULT, LIN, 'Lin', 'Zoë says “thank you” 🌱', true);
await say(group, DEFAULT, LIN, 'Lin', 'Who knows about tomatoes?', false, { attachments: [picture] });
await say(group, DEFAULT, MAX, 'Max', 'Ada does, I think.', false);
for (const line of ['one', 'two', 'three', 'four', 'five', 'six']) await say(dm, DEFAULT, LIN, 'Lin', `tomatoes, ${line}`, true);

const world = (await ask('POST', `/agents/${ADA}/rooms`, { name: 'Study', type: 'DM', source: 'client' }));
console.log(JSON.stringify({ ADA, GRACE, workshop, dm, group, quiet, world }));
await sleep(3000);
await server.stop();

const { PGlite } = await import('@electric-sql/pglite');
const { vector: vectors } = await import('@electric-sql/pglite/vector');
const { fuzzystrmatch } = await import('@electric-sql/pglite/contrib/fuzzystrmatch');
const { pgDump } = await import('@electric-sql/pglite-tools/pg_dump');
const pg = await PGlite.create({ dataDir: databaseDirectory, extensions: { vector: vectors, fuzzystrmatch } });
const file = await pgDump({ pg, args: ['--schema=public', '--no-owner', '--exclude-table-data=public.logs'] });
await pg.close();

const statements = (await file.text()).split(/;\n/).map((text) => text.split('\n').filter((line) => line && !line.startsWith('--')).join('\n'));
const kept = statements.filter((text) => /^(CREATE TABLE|ALTER TABLE|INSERT INTO) /.test(text));
const plain = kept.map((text) => `${text.replaceAll(/public\.vector\(\d+\)/g, 'text')};\n`);
const about = '-- Tables and rows of a database of elizaOS 1.7.2 that record.mjs filled through its API. No vectors but as text.\n\n';
writeFileSync(dumpFile, about + plain.join(''));
process.exit(0);
