// What the real server told its sockets, told again: the recorded scenes of `tests/conformance/golden/sockets.jsonl`, played by
// socket.io-client in front of ours.
//
// After each thing that is said, everything that was heard then must be heard now, in its order for each socket, with every
// recorded key and its type. More may be heard in between. One recorded scene is not here: of a message of 1.1 MB, which
// the real server takes although it has said that it would not (corrections 7); here it is refused (`cases.mjs`).

import { readFileSync } from 'node:fs';

import { eventually } from '../lib/server.mjs';
import { connect } from './peer.mjs';

const RECORDED = new URL('../../conformance/golden/sockets.jsonl', import.meta.url);

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** Things that are the same in the recordings and here. */
const CONSTANT = ['00000000-0000-0000-0000-000000000000', '11111111-1111-4111-8111-111111111111'];

/** All lines, by scene. */
function scenes() {
  const found = new Map();
  for (const line of readFileSync(RECORDED, 'utf8').trim().split('\n').map((each) => JSON.parse(each))) {
    found.set(line.scene, [...(found.get(line.scene) ?? []), line]);
  }
  return found;
}

const kind = (value) => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);

/** Whether a value has every key of a recorded one, with the same type. */
function fits(recorded, ours) {
  if (recorded === null) return true;
  if (kind(recorded) !== kind(ours)) return false;
  if (kind(recorded) !== 'object') return true;
  return Object.entries(recorded).every(([key, value]) => key in ours && fits(value, ours[key]));
}

/** Ids of the recording that mean ids of ours, learnt from what stands in the same place. */
class Names {
  #ours = new Map(CONSTANT.map((id) => [id, id]));

  learn(recorded, ours) {
    if (typeof recorded === 'string' && typeof ours === 'string') {
      if (recorded.match(UUID)?.[0] === recorded && !this.#ours.has(recorded)) this.#ours.set(recorded, ours);
    } else if (recorded && ours && typeof recorded === 'object' && typeof ours === 'object') {
      for (const key of Object.keys(recorded)) this.learn(recorded[key], ours[key]);
    }
  }

  translated(value) {
    return JSON.parse(JSON.stringify(value).replace(UUID, (id) => this.#ours.get(id) ?? id));
  }
}

async function play(scene, lines, { library, server, agent, recordedAgent, transports }) {
  const names = new Names();
  names.learn(recordedAgent, agent);
  const peers = new Map();
  const heard = new Map();
  const said = lines.find((line) => JSON.stringify(line).includes(recordedAgent));
  if (said && scene === 'dm') await channelOf(lines, names, server, agent);
  for (const line of lines) {
    if (line.get) {
      const response = await fetch(server.baseUrl + line.get);
      const body = await response.text();
      const first = (text) => text.replace(/^0/, '');
      if (response.status !== line.status || !fits(JSON.parse(first(line.answer)), JSON.parse(first(body)))) {
        throw new Error(`${line.get}: ${response.status} ${body}, and not ${line.status} ${line.answer}`);
      }
    } else if (line.do) {
      const [method, path] = names.translated(line.do).split(' ');
      const { status, text } = await server.ask(method, path, line.body && names.translated(line.body));
      if (status >= 400) throw new Error(`${line.do}: ${status} ${text}`);
    } else if (line.say) {
      peers.get(line.who).socket.emit(line.say, ...names.translated(line.args));
    } else {
      if (!peers.has(line.who)) {
        const entityId = entityOf(lines, line.who);
        peers.set(line.who, connect(library, server, transports, entityId === undefined ? {} : { entityId }));
        heard.set(line.who, 0);
      }
      await hear(line, peers.get(line.who), heard, names);
    }
  }
  for (const peer of peers.values()) peer.close();
}

/** The next event of this name that fits; those before it were more than was recorded. */
async function hear(line, peer, heard, names) {
  const [recorded] = line.args;
  // The arguments of this one are the client's own.
  if (line.hear === 'connect') return;
  const from = heard.get(line.who);
  const next = () => peer.heard.findIndex(({ event, data }, index) => index >= from && event === line.hear && fits(recorded, data));
  await eventually(`${line.who} hears ${line.hear} ${JSON.stringify(recorded)}; ${JSON.stringify(peer.heard.slice(from)).slice(0, 900)}`, () => next() >= 0, 5_000);
  names.learn(recorded, peer.heard[next()].data);
  heard.set(line.who, next() + 1);
}

/** With which id a socket came. */
function entityOf(lines, who) {
  const greeted = lines.find((line) => line.who === who && line.hear === 'authenticated');
  if (greeted) return greeted.args[0].entityId;
  return lines[0].scene === 'auth:bad entityId' ? 'bad' : undefined;
}

/** The channel of the recorded talk, made under an id of ours. */
async function channelOf(lines, names, server, agent) {
  const speaker = entityOf(lines, 'speaker');
  const recorded = lines.find((line) => line.say).args[0].payload.channelId;
  const body = { name: 'golden', type: 'DM', message_server_id: CONSTANT[0], participantCentralUserIds: [speaker, agent] };
  const made = await server.ask('POST', '/api/messaging/channels', body);
  names.learn(recorded, made.json.data.id);
}

/** Plays all scenes; `note` is told what came of each. */
export async function golden(context, note) {
  for (const [scene, lines] of scenes()) {
    try {
      await play(scene, lines, context);
      note(`recorded: ${scene}`, []);
    } catch (error) {
      note(`recorded: ${scene}`, [error.message]);
    }
  }
}
