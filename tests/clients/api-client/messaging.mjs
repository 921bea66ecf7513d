// The service of messaging. It leaves `ids.channel`, a direct channel with the agent, and `ids.group`.

import { randomUUID } from 'node:crypto';

import { SAID, TITLE } from '../lib/model.mjs';
import { DEFAULT_SERVER, eventually } from '../lib/server.mjs';
import { exactly, list, listWith, object, textLike, uuid } from '../lib/shapes.mjs';
import { channel, message, messageServer, succeeded } from './promises.mjs';

const BARE_IDS = 'every released server answers a bare list of ids, and its web page reads that';
const NOTHING_TO_COUNT = 'every released server answers 204, for which the client makes `{success: true}`';
const UNWRAPPED = 'the declared type is the whole body, of which the client hands on only `data`';

/** Every method of messaging. */
export async function messaging(scene) {
  await servers(scene);
  await channels(scene);
  await messages(scene);
  await doors(scene);
  await participants(scene);
  await partings(scene);
}

async function servers(scene) {
  if (!scene.older) {
    await scene.call('messaging.getCurrentMessageServer', [], object({ messageServerId: exactly(DEFAULT_SERVER) }));
  }
  const params = { name: 'Elsewhere', sourceType: 'discord', sourceId: 'guild-1', metadata: { description: 'for the tests' } };
  const made = await scene.call('messaging.createMessageServer', [params], messageServer);
  const listed = scene.older ? 'servers' : 'messageServers';
  await scene.call('messaging.listMessageServers', [], object({ [listed]: list(messageServer) }));

  const there = [
    { name: 'general', type: 'GROUP', sourceId: 'general-1' },
    { name: 'news', type: 'FEED', sourceId: 'news-1' },
  ];
  const id = made?.id;
  await scene.call('messaging.syncMessageServerChannels', [id, { channels: there }], object({ synced: exactly(2) }));
  // Again, with a new name: what is there is renamed and nothing is doubled.
  there[0].name = 'lobby';
  await scene.call('messaging.syncMessageServerChannels', [id, { channels: there }], object({ synced: exactly(2) }));
  const names = (value) => exactly(['lobby', 'news'])(value?.channels?.map((each) => each.name).sort());
  await scene.call('messaging.getMessageServerChannels', [id], names);
  await scene.call('messaging.getMessageServerChannels', [id], object({ channels: list(channel) }));
  await scene.call('messaging.deleteMessageServer', [id], succeeded);
}

async function channels(scene) {
  const { ids, user } = scene;
  const server = scene.older ? { serverId: DEFAULT_SERVER } : { messageServerId: DEFAULT_SERVER };
  await scene.call('messaging.createChannel', [{ name: 'Empty', type: 'GROUP', metadata: { topic: 'none' }, ...server }], channel);
  const group = { name: 'A group', participantIds: [user, ids.agent], metadata: { kind: 'test' } };
  ids.group = (await scene.call('messaging.createGroupChannel', [group], channel))?.id;
  ids.channel = (await scene.call('messaging.getOrCreateDmChannel', [{ participantIds: [user, ids.agent] }], channel))?.id;
  await scene.call('messaging.getOrCreateDmChannel', [{ participantIds: [ids.agent, user] }], object({ id: exactly(ids.channel) }));
  await scene.call('messaging.getChannelDetails', [ids.group], channel);
  await scene.call('messaging.updateChannel', [ids.group, { name: 'Another name', metadata: { kind: 'changed' } }], channel, UNWRAPPED);
  await scene.call('messaging.getChannelDetails', [ids.group], object({ name: exactly('Another name'), metadata: exactly({ kind: 'changed' }) }));
}

async function messages(scene) {
  const { client, ids, user } = scene;
  const posted = await scene.call('messaging.postMessage', [ids.channel, 'A question about bicycles', { user_display_name: 'Ann' }], message);
  const replied = async () => {
    const { messages: found } = await client.messaging.getChannelMessages(ids.channel, { limit: 10 });
    return found.find((each) => each.authorId === ids.agent && each.content.includes(SAID));
  };
  ids.reply = (await eventually('the agent replies', replied)).id;
  ids.question = posted?.id;
  await scene.call('messaging.getChannelMessages', [ids.channel, { limit: 10 }], object({ messages: list(message) }));
  await scene.call('messaging.getMessage', [ids.question], message);
  await scene.call('messaging.updateMessage', [ids.question, 'A question about tandems'], message);
  await scene.call('messaging.getMessage', [ids.question], object({ content: exactly('A question about tandems') }));
  const search = { query: 'tandems', channelId: ids.channel, authorId: user, limit: 5 };
  await scene.call('messaging.searchMessages', [search], object({ messages: list(message) }));
  await scene.call('messaging.searchMessages', [search], object({ messages: listWith(object({ id: exactly(ids.question) })) }));

  // A title wants some conversation first.
  await client.messaging.postMessage(ids.channel, 'And a second one');
  await eventually('the agent replies again', async () => {
    const { messages: found } = await client.messaging.getChannelMessages(ids.channel, { limit: 10 });
    return found.length >= 4;
  });
  await scene.call('messaging.generateChannelTitle', [ids.channel, ids.agent], object({ title: textLike(new RegExp(TITLE)) }));
}

async function doors(scene) {
  const { ids } = scene;
  const submitted = { agentId: ids.agent, channelId: ids.channel, content: 'By the way', inReplyToMessageId: ids.question, metadata: { thought: 'hm' } };
  await scene.call('messaging.submitMessage', [submitted], message);
  await scene.call('messaging.completeMessage', [{ messageId: ids.question, status: 'completed' }], succeeded);
  const told = (id, content) => ({ id, authorId: randomUUID(), content, timestamp: Date.now(), metadata: { platform: 'discord' } });
  const external = { platform: 'discord', channelId: ids.channel, messages: [told('d-1', 'From afar'), told('d-2', 'From afar, too')] };
  await scene.call('messaging.ingestExternalMessages', [external], object({ processed: exactly(2) }));
}

async function participants(scene) {
  const { ids, user } = scene;
  const [first, second] = [randomUUID(), randomUUID()];
  await scene.call('messaging.removeAgentFromChannel', [ids.group, ids.agent], succeeded);
  await scene.call('messaging.addAgentToChannel', [ids.group, ids.agent], succeeded);
  await scene.call('messaging.getChannelParticipants', [ids.group], list(uuid), BARE_IDS);
  await scene.call('messaging.addUserToChannel', [ids.group, first], channel, UNWRAPPED);
  await scene.call('messaging.addUsersToChannel', [ids.group, [first, second, user]], channel, UNWRAPPED);
  await scene.call('messaging.getChannelParticipants', [ids.group], listWith(exactly(second)), BARE_IDS);
  await scene.call('messaging.removeUserFromChannel', [ids.group, second], channel, UNWRAPPED);
}

async function partings(scene) {
  const { client, ids } = scene;
  await scene.call('messaging.deleteMessage', [ids.channel, ids.question], succeeded);
  await scene.trial.rejects('messaging.getMessage of a deleted one', () => client.messaging.getMessage(ids.question), /not found/i);
  await scene.call('messaging.clearChannelHistory', [ids.group], succeeded, NOTHING_TO_COUNT);
  await scene.call('messaging.deleteChannel', [ids.group], succeeded);
}

