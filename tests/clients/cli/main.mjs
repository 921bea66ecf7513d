// Runs `elizaos agent ...` of @elizaos/cli against a fresh server with a key: what it prints, how it ends, and what the
// server has afterwards.
//
//   node main.mjs DIRECTORY
//
// DIRECTORY is where the CLI and bun, on which it runs, were installed.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DEFAULT_SERVER, KEY, eventually, startServer } from '../lib/server.mjs';
import { Trial } from '../lib/trial.mjs';

const [installed] = process.argv.slice(2);
const BUN = join(installed, 'node_modules/bun/bin/bun.exe');
const CLI = join(installed, 'node_modules/@elizaos/cli/dist/index.js');
const PATIENCE_MS = 120_000;

const PERSON = '8ff3442d-deec-4e87-b795-ca44c826dc0c';

const CHARACTER = {
  name: 'Cli Ada',
  username: 'ada',
  bio: ['Counts.', 'Writes letters.'],
  topics: ['engines'],
  settings: { secrets: { A_KEY: 'a secret' } },
};

const trial = new Trial('cli 1.7.2');
const place = mkdtempSync(join(tmpdir(), 'doolittle-cli-'));
const server = await startServer({ ALLOW_REMOTE_CHARACTERS: 'true' });

/** Runs a command; `key` is false for one without a key, and `url` another server. */
function elizaos(args, { key = KEY, url = server.baseUrl } = {}) {
  const environment = { PATH: process.env.PATH, HOME: place, CI: 'true', NO_COLOR: '1', AGENT_RUNTIME_URL: url };
  if (key) environment.ELIZAOS_API_KEY = key;
  const child = spawn(BUN, [CLI, 'agent', ...args], { cwd: place, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (piece) => { out += piece; });
  child.stderr.on('data', (piece) => { err += piece; });
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: -1, out, err: `${err}${error}` }));
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out, err });
    });
  });
}

/** A command must end with this code and print texts like these; the errors, where it ends otherwise. */
async function says(label, args, { code = 0, out = [], err = [], ...how } = {}) {
  const ended = await elizaos(args, how);
  const problems = [];
  if (ended.code !== code) problems.push(`exit code ${ended.code} and not ${code}`);
  for (const pattern of out) if (!pattern.test(ended.out)) problems.push(`stdout has no ${pattern}`);
  for (const pattern of err) if (!pattern.test(ended.err)) problems.push(`stderr has no ${pattern}`);
  if (problems.length > 0) problems.push(`stdout ${JSON.stringify(ended.out)}, stderr ${JSON.stringify(ended.err)}`);
  trial.note(label, problems);
  return ended;
}

/** What the server has of an agent. */
async function agentOnServer(id) {
  return (await server.ask('GET', `/api/agents/${id}`)).json?.data;
}

function holds(label, condition, why) {
  trial.note(label, condition ? [] : [why]);
}

async function beginnings() {
  await says('list of none', ['list'], { out: [/Available agents:/, /No agents found/] });
  const none = await says('list of none as JSON', ['list', '--json'], { out: [/^\[\]/] });
  holds('an empty list is JSON', Array.isArray(JSON.parse(none.out || 'null')), none.out);
  writeFileSync(join(place, 'ada.json'), JSON.stringify(CHARACTER));
  await says('start --path', ['start', '--path', 'ada.json'], { out: [/Agent Cli Ada started successfully/] });
  const listed = await says('list --json', ['list', '--json'], { out: [/"Name": "Cli Ada"/, /"Status": "active"/] });
  return JSON.parse(listed.out)[0].ID;
}

async function reading(id) {
  await says('list', ['list'], { out: [/Cli Ada/, new RegExp(id), /active/] });
  const flags = ['--remote-url', server.baseUrl, '--auth-token', KEY];
  await says('list by options', ['list', ...flags], { out: [/Cli Ada/], key: false, url: 'http://127.0.0.1:9' });
  await says('list by port', ['ls', '--port', String(server.port)], { out: [/Cli Ada/], url: '' });
  await says('get by name in any case', ['get', '-n', 'cli ADA'], { out: [new RegExp(`Getting agent ${id}`), /Name: Cli Ada/, /Username: ada/, /Counts\./, /engines/] });
  await says('get by id', ['get', '-n', id], { out: [/Name: Cli Ada/] });
  await says('get by index', ['get', '-n', '0', '--json'], { out: [/"name": "Cli Ada"/] });
  await says('get of nobody', ['get', '-n', 'nobody'], { code: 1, err: [/AGENT_NOT_FOUND:nobody/] });
  await says('get -o', ['get', '-n', 'Cli Ada', '-o'], { out: [/Saved agent configuration to .*Cli Ada\.json/] });
  await says('get -o file', ['get', '-n', 'Cli Ada', '-o', 'saved'], { out: [/saved\.json/] });
  const saved = JSON.parse(readFileSync(join(place, 'saved.json'), 'utf8'));
  holds('what is saved is the character', saved.name === CHARACTER.name && saved.bio.length === 2 && !('id' in saved), JSON.stringify(saved));
  holds('no secret is saved', !JSON.stringify(saved).includes('a secret'), 'the secret is in the file');
}

async function changes(id) {
  const done = [/Successfully updated configuration/];
  await says('set -c', ['set', '-n', 'Cli Ada', '-c', '{"system": "Be brief."}'], { out: done });
  holds('set -c is stored', (await agentOnServer(id)).system === 'Be brief.', 'it is not');
  // What was saved, with a change, is taken back; the mask leaves the secret as it was.
  const saved = JSON.parse(readFileSync(join(place, 'saved.json'), 'utf8'));
  writeFileSync(join(place, 'changed.json'), JSON.stringify({ ...saved, topics: ['bees'] }));
  await says('set -f', ['set', '-n', 'Cli Ada', '-f', 'changed.json'], { out: done });
  const now = await agentOnServer(id);
  holds('set -f is stored', now.topics.join() === 'bees' && 'A_KEY' in now.settings.secrets, JSON.stringify(now));
  await says('set of nothing', ['set', '-n', 'Cli Ada'], { code: 1, err: [/Please provide either/] });
  await says('set of no JSON', ['set', '-n', 'Cli Ada', '-c', '{'], { code: 1, err: [/Failed to parse config JSON/] });
  await says('set of a wrong type', ['set', '-n', 'Cli Ada', '-c', '{"bio": 5}'], { code: 1, err: [/bio/] });
}

async function lifecycle(id) {
  const state = async () => (await agentOnServer(id)).status;
  await says('stop', ['stop', '-n', 'Cli Ada'], { out: [/Agent Cli Ada stopped successfully/] });
  holds('stop is stored', (await state()) === 'inactive', await state());
  await says('stop again', ['stop', '-n', 'Cli Ada'], { code: 1, err: [/not found/i] });
  await says('stop without a name', ['stop'], { code: 1, err: [/Must provide either --name/] });
  await says('start -n', ['start', '-n', 'Cli Ada'], { out: [/Agent Cli Ada started successfully/] });
  await says('start -n again', ['start', '-n', id], { out: [/started successfully/] });
  holds('start is stored', (await state()) === 'active', await state());
  // Its help, which it shows then, ends with 0, whatever the server.
  await says('start -n of nobody', ['start', '-n', 'nobody'], { err: [/No agent found with name "nobody"/, /0\. Cli Ada/] });
  await says('start without a name', ['start'], { err: [/No character configuration provided/, /0\. Cli Ada/] });
  await says('start --path of no file', ['start', '--path', 'none.json'], { code: 1, err: [/File not found/] });
  writeFileSync(join(place, 'wrong.json'), JSON.stringify({ name: 'Wrong', notAField: 1 }));
  await says('start --path of a wrong character', ['start', '--path', 'wrong.json'], { code: 1, err: [/notAField/] });
}

/** Characters by URL come from public addresses alone, so one of this machine is refused; which the CLI tells. */
async function remote() {
  const page = createServer((_, response) => response.end(JSON.stringify({ name: 'Remote Bob', bio: ['From afar.'] })));
  await new Promise((resolve) => page.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${page.address().port}/bob.json`;
  await says('start --remote-character of this machine', ['start', '--remote-character', url], { code: 1, err: [/Failed to create agent/] });
  await says('start --remote-character of no URL', ['start', '--remote-character', 'bob.json'], { code: 1, err: [/must start with http/] });
  page.close();
}

async function memories(id) {
  const path = `/api/messaging/dm-channel?currentUserId=${PERSON}&targetUserId=${id}`;
  const channel = (await server.ask('GET', path)).json.data.id;
  const message = { author_id: PERSON, content: 'hello', message_server_id: DEFAULT_SERVER };
  await server.ask('POST', `/api/messaging/channels/${channel}/messages`, { ...message, transport: 'http' });
  const remembered = async () => (await server.ask('GET', `/api/memory/${id}/memories`)).json.data.memories.length >= 2;
  await eventually('the agent remembers', remembered);
  await says('clear-memories', ['clear-memories', '-n', 'Cli Ada'], { out: [/Successfully cleared [1-9]\d* memories for agent Cli Ada/] });
  holds('memories are cleared', !(await remembered()), 'they are still there');
  await says('clear-memories again', ['clear', '-n', 'Cli Ada'], { out: [/Successfully cleared 0 memories/] });
}

async function endings(id) {
  await says('remove', ['remove', '-n', 'Cli Ada'], { out: [/Successfully removed agent Cli Ada/] });
  holds('remove is stored', (await agentOnServer(id)) === undefined, 'the agent is still there');
  await says('remove again', ['rm', '-n', 'Cli Ada'], { code: 1, err: [/AGENT_NOT_FOUND/] });
  await says('list without a key', ['list'], { code: 1, key: false, err: [/Unable to connect/] });
  await says('list with a wrong key', ['list'], { code: 1, key: 'wrong', err: [/Unable to connect/] });
  await says('list of no server', ['list'], { code: 1, url: 'http://127.0.0.1:9', err: [/Unable to connect/] });
}

try {
  const id = await trial.attempt('step beginnings', beginnings);
  for (const step of [reading, changes, lifecycle, memories, remote, endings]) {
    await trial.attempt(`step ${step.name}`, () => step(id));
  }
} finally {
  if (trial.failed) console.log(`--- the server said:\n${server.log()}`);
  await server.stop();
  rmSync(place, { recursive: true, force: true });
}
process.exitCode = trial.end();
