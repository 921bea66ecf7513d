// The services of memory and of runs. They read what the steps of messaging left.

import { DEFAULT_SERVER, eventually } from '../lib/server.mjs';
import { exactly, flag, list, listWith, number, object, text, uuid } from '../lib/shapes.mjs';
import { memory as remembered, room, runDetail, runSummary, succeeded } from './promises.mjs';

const NOTHING_TO_COUNT = 'every released server answers 204, for which the client makes `{success: true}`';
const NO_UPDATED = '`updatedAt` is no column of released servers; memories do not have it';
const ONLY_A_MESSAGE = 'every released server answers `{id, message}`, not the memory';
const ONLY_A_TEXT = 'every released server answers `{message}`, and the status says the rest';
const UNWRAPPED = 'the declared type is the whole body, of which the client hands on only `data`, and there `memories`';

/** Every method of memory. */
export async function memory(scene) {
  const { client, ids } = scene;
  const settled = async () => (await client.memory.getAgentMemories(ids.agent)).memories.length >= 2;
  await eventually('the agent remembers', settled);
  const all = await scene.call('memory.getAgentMemories', [ids.agent, { limit: 20 }], object({ memories: list(remembered) }), NO_UPDATED);
  const of = (index) => all.memories[index].id;
  await scene.call('memory.getRoomMemories', [ids.agent, ids.channel], object({ memories: list(remembered) }), NO_UPDATED);
  await scene.call('memory.getAgentInternalMemories', [ids.agent, ids.channel, false], object({ memories: list(remembered) }), UNWRAPPED);
  const change = { content: { text: 'remembered otherwise' }, metadata: { type: 'message', edited: true } };
  await scene.call('memory.updateMemory', [ids.agent, of(0), change], object({ id: exactly(of(0)) }), ONLY_A_MESSAGE);
  await scene.call('memory.updateAgentInternalMemory', [ids.agent, of(1), change], object({ id: exactly(of(1)) }), ONLY_A_MESSAGE);
  const changed = object({ id: exactly(of(1)), content: object({ text: exactly('remembered otherwise') }) });
  await scene.call('memory.getAgentMemories', [ids.agent], object({ memories: listWith(changed) }), NO_UPDATED);
  await scene.call('memory.deleteMemory', [ids.agent, of(0)], object({ message: text }), ONLY_A_TEXT);
  await scene.call('memory.deleteAgentInternalMemory', [ids.agent, of(1)], object({ message: text }), ONLY_A_TEXT);
  await rooms(scene);
  await worlds(scene);
  await forgetting(scene);
}

async function rooms(scene) {
  const { ids } = scene;
  const made = await scene.call('memory.createRoom', [ids.agent, { name: 'A room', type: 'GROUP', metadata: { kept: true } }], room);
  await scene.call('memory.listAgentRooms', [ids.agent], object({ rooms: list(room) }), NO_UPDATED);
  await scene.call('memory.getRoom', [ids.agent, made?.id], room, NO_UPDATED);
}

async function worlds(scene) {
  const params = { messageServerId: DEFAULT_SERVER, name: 'The default server', description: 'for all of its agents' };
  await scene.call('memory.createWorldFromMessageServer', [DEFAULT_SERVER, params], object({ worldId: uuid }));
  await scene.call('memory.clearWorldMemories', [DEFAULT_SERVER], succeeded, NOTHING_TO_COUNT);
  await scene.call('memory.deleteWorld', [DEFAULT_SERVER], succeeded);
}

async function forgetting(scene) {
  const { client, ids } = scene;
  await client.messaging.postMessage(ids.channel, 'One more');
  const { messages } = await client.messaging.getChannelMessages(ids.channel, { limit: 1 });
  // Where these two say message server, their paths have a channel.
  await scene.call('memory.deleteGroupMemory', [ids.channel, messages[0].id], succeeded);
  await scene.call('memory.clearGroupChat', [ids.channel], succeeded);
  await scene.call('memory.clearRoomMemories', [ids.agent, ids.channel], succeeded, NOTHING_TO_COUNT);
  await scene.call('memory.deleteAllAgentInternalMemories', [ids.agent, ids.channel], succeeded);
  await scene.call('memory.clearAgentMemories', [ids.agent], object({ deleted: number }));
  scene.trial.note('memory is empty', exactly([])((await client.memory.getAgentMemories(ids.agent)).memories));
}

/** Every method of runs. */
export async function runs(scene) {
  const { client, ids } = scene;
  if (!scene.has('runs')) return;
  const ended = async () => {
    const found = await client.runs.listRuns(ids.agent, { limit: 5, from: 1 });
    return found.runs.find((run) => run.status === 'completed');
  };
  const run = await eventually('a run has ended', ended);
  const listed = object({ runs: list(runSummary), total: number, hasMore: flag });
  await scene.call('runs.listRuns', [ids.agent, { limit: 5, status: 'completed' }], listed);
  await scene.call('runs.getRun', [ids.agent, run.runId, run.roomId], runDetail);
}
