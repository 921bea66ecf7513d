// What a client of Socket.IO may rely on. Each case has the server, an agent that runs and speaks through the model, and the
// transports to use.

import { randomUUID } from 'node:crypto';

import { SAID } from '../lib/model.mjs';
import { DEFAULT_SERVER, eventually } from '../lib/server.mjs';
import { exactly, number, object, optional, text, time, uuid } from '../lib/shapes.mjs';
import { connect } from './peer.mjs';

function must(problems) {
  if (problems.length > 0) throw new Error(problems.join('; '));
}

const equal = (found, wanted) => must(exactly(wanted)(found));

/** A person's connection to a fresh channel with the agent. */
async function inChannel({ library, server, transports, agent }, { type = 'DM', user = randomUUID() } = {}) {
  const body = {
    name: 'a channel', type, message_server_id: DEFAULT_SERVER, participantCentralUserIds: [user, agent],
    metadata: { isDm: type === 'DM', user1: user, user2: agent },
  };
  const channel = (await server.ask('POST', '/api/messaging/channels', body)).json.data.id;
  const peer = connect(library, server, transports, { entityId: user });
  await peer.hear('connection_established');
  await peer.join(channel, user);
  return { user, channel, peer };
}

const sent = (channel, user, message, more = {}) => ({
  channelId: channel, roomId: channel, messageServerId: DEFAULT_SERVER, senderId: user, senderName: 'Ann', message, source: 'client_chat', ...more,
});

/** WS-01: who connects is told who it is, then that it is connected. */
export async function aConnectionIsGreeted({ library, server, transports }) {
  const user = randomUUID();
  const peer = connect(library, server, transports, { entityId: user });
  must(object({ message: text, socketId: text })(await peer.hear('connection_established')));
  must(object({ entityId: exactly(user), timestamp: time })(await peer.hear('authenticated')));
  equal(peer.names(), ['connect', 'authenticated', 'connection_established']);
  peer.close();
}

/** WS-02, AU: without an id, or without the key, nobody connects. */
export async function aBadHandshakeIsRefused({ library, server, transports }) {
  for (const [auth, how] of [[{ entityId: 'bad' }, {}], [{}, {}], [{ entityId: randomUUID() }, { key: 'wrong' }], [{ entityId: randomUUID() }, { key: false }]]) {
    const peer = connect(library, server, transports, auth, how);
    must(object({ message: text })(await peer.hear('connect_error')));
    must(peer.names().includes('connect') ? ['it connected'] : []);
    peer.close();
  }
}

/** The key may come by any name that REST knows. */
export async function theKeyComesByAnyName({ library, server, transports, key }) {
  for (const auth of [{ apiKey: key }, { token: key }]) {
    const peer = connect(library, server, transports, { ...auth, entityId: randomUUID() }, { key: false });
    await peer.hear('connection_established');
    peer.close();
  }
  for (const extraHeaders of [{ 'x-api-key': key }, { authorization: `Bearer ${key}` }]) {
    const peer = connect(library, server, transports, { entityId: randomUUID() }, { key: false, extra: { extraHeaders } });
    await peer.hear('connection_established');
    peer.close();
  }
}

/** WS-03, WS-04, WS-05: a channel is joined in both framings; a wrong join is told. */
export async function aChannelIsJoinedInBothFramings(scene) {
  const { channel, peer, user } = await inChannel(scene);
  must(object({ channelId: exactly(channel), roomId: exactly(channel), message: text })(await peer.hear('room_joined')));
  const other = randomUUID();
  peer.socket.emit('1', { roomId: other, entityId: user });
  must(object({ channelId: exactly(other), roomId: exactly(other) })(await peer.hear('channel_joined', (data) => data.channelId === other)));
  peer.socket.emit('message', { type: 1, payload: {} });
  must(object({ error: text })(await peer.hear('messageError')));
  peer.close();
}

/** WS-06: what one says all hear; the sender hears it with its own id, and then that it was taken. */
export async function aMessageReachesEverybody(scene) {
  const { channel, peer, user } = await inChannel(scene, { type: 'GROUP' });
  const listener = connect(scene.library, scene.server, scene.transports, { entityId: randomUUID() });
  await listener.hear('connection_established');
  await listener.join(channel);
  peer.socket.emit('message', { type: 2, payload: sent(channel, user, 'hi', { messageId: 'm1', metadata: { k: 'v' } }) });
  const ack = await peer.hear('messageAck');
  must(object({ clientMessageId: exactly('m1'), messageId: uuid, status: exactly('received_by_server_and_processing'), channelId: exactly(channel), roomId: exactly(channel) })(ack));
  const own = await peer.hear('messageBroadcast', (data) => data.senderId === user);
  must(object({
    id: exactly(ack.messageId), clientMessageId: exactly('m1'), senderName: exactly('Ann'), text: exactly('hi'), channelId: exactly(channel),
    roomId: exactly(channel), messageServerId: exactly(DEFAULT_SERVER), serverId: exactly(DEFAULT_SERVER), createdAt: number, source: exactly('client_chat'),
  })(own));
  equal(peer.names().filter((name) => /^message(Ack|Broadcast)$/.test(name)).slice(0, 2), ['messageBroadcast', 'messageAck']);
  const theirs = await listener.hear('messageBroadcast', (data) => data.senderId === user);
  equal([theirs.id, theirs.text, 'clientMessageId' in theirs], [ack.messageId, 'hi', false]);
  peer.close();
  listener.close();
}

/** WS-07: what cannot be said is refused. */
export async function aWrongMessageIsRefused(scene) {
  const { channel, peer, user } = await inChannel(scene);
  const whole = sent(channel, user, 'x');
  for (const broken of [{ ...whole, message: undefined }, { ...whole, channelId: undefined, roomId: undefined }, { ...whole, messageServerId: 'bad' }]) {
    const before = peer.heard.length;
    peer.socket.emit('message', { type: 2, payload: broken });
    await eventually('the sender is told', () => peer.heard.slice(before).some(({ event }) => event === 'messageError'));
  }
  peer.close();
}

/** Nobody speaks for somebody else. */
export async function theSenderIsWhoConnected(scene) {
  const { channel, peer } = await inChannel(scene);
  peer.socket.emit('message', { type: 2, payload: sent(channel, scene.agent, 'I am the agent') });
  const told = await Promise.race([peer.hear('messageError'), peer.hear('messageBroadcast', (data) => data.text === 'I am the agent')]);
  must(told.error || told.senderId !== scene.agent ? [] : [`it was believed: ${JSON.stringify(told)}`]);
  peer.close();
}

/** WS-08: a channel that is not there yet is made; with the agent in it where it is one of two. */
export async function anUnknownChannelIsMade(scene) {
  const { server, agent } = scene;
  const { peer, user } = await inChannel(scene);
  const channel = randomUUID();
  await peer.join(channel, user);
  peer.socket.emit('message', { type: 2, payload: sent(channel, user, 'hello', { metadata: { isDm: true, channelType: 'DM' }, targetUserId: agent }) });
  await peer.hear('messageAck');
  equal((await server.ask('GET', `/api/messaging/channels/${channel}/details`)).json.data.type, 'DM');
  await peer.hear('messageBroadcast', (data) => data.channelId === channel && data.senderId === agent);
  peer.close();
}

/** WS-12, WS-13: a reply comes in pieces under the id that it has in the end; then its run is complete. */
export async function aReplyIsStreamed(scene) {
  const { channel, peer, user } = await inChannel(scene);
  peer.socket.emit('message', { type: 2, payload: sent(channel, user, 'speak', { metadata: { isDm: true, channelType: 'DM' } }) });
  const reply = await peer.hear('messageBroadcast', (data) => data.senderId === scene.agent);
  must(object({ channelId: exactly(channel), serverId: optional(uuid) })(await peer.hear('messageComplete')));
  const chunks = peer.heard.filter(({ event }) => event === 'messageStreamChunk').map(({ data }) => data);
  equal(chunks.map((chunk) => chunk.index), chunks.map((_, index) => index));
  equal([...new Set(chunks.map((chunk) => chunk.messageId))], [reply.id]);
  equal([chunks.map((chunk) => chunk.chunk).join(''), reply.text], [SAID, SAID]);
  equal([...new Set(chunks.map((chunk) => chunk.agentId))], [scene.agent]);
  const order = peer.names('connect', 'authenticated', 'connection_established', 'channel_joined', 'room_joined', 'controlMessage');
  equal([...new Set(order.map((name) => name))], ['messageBroadcast', 'messageAck', 'messageStreamChunk', 'messageComplete']);
  equal(order.slice(-2), ['messageBroadcast', 'messageComplete']);
  peer.close();
}

/** WS-09, WS-10, WS-11: what is done by REST is told. */
export async function whatRestDoesIsTold(scene) {
  const { server } = scene;
  const { channel, peer, user } = await inChannel(scene, { type: 'GROUP' });
  const submitted = {
    channel_id: channel, message_server_id: DEFAULT_SERVER, author_id: scene.agent, content: 'hi', source_type: 'agent_response',
    raw_message: { text: 'hi', thought: 't', actions: ['REPLY'] }, metadata: { agentName: 'Ada' },
  };
  const { json } = await server.ask('POST', '/api/messaging/submit', submitted);
  must(object({ senderId: exactly(scene.agent), senderName: exactly('Ada'), text: exactly('hi'), thought: exactly('t'), source: exactly('agent_response') })(
    await peer.hear('messageBroadcast', (data) => data.id === json.data.id)));
  await server.ask('PATCH', `/api/messaging/channels/${channel}`, { name: 'renamed' });
  must(object({ channelId: exactly(channel), updates: object({ name: exactly('renamed') }) })(await peer.hear('channelUpdated')));
  await server.ask('POST', '/api/messaging/complete', { channel_id: channel, server_id: DEFAULT_SERVER });
  must(object({ channelId: exactly(channel) })(await peer.hear('messageComplete')));
  await server.ask('DELETE', `/api/messaging/channels/${channel}/messages/${json.data.id}`);
  must(object({ channelId: exactly(channel), messageId: exactly(json.data.id) })(await peer.hear('messageDeleted')));
  await server.ask('DELETE', `/api/messaging/channels/${channel}/messages`);
  must(object({ channelId: exactly(channel) })(await peer.hear('channelCleared')));
  await server.ask('DELETE', `/api/messaging/channels/${channel}`);
  must(object({ channelId: exactly(channel) })(await peer.hear('channelDeleted')));
  must(uuid(user));
  peer.close();
}

/** WS-14, WS-15: the log is read along, by a filter. */
export async function theLogIsReadAlong({ library, server, transports }) {
  const peer = connect(library, server, transports, { entityId: randomUUID() });
  await peer.hear('connection_established');
  peer.socket.emit('update_log_filters', { level: 'warn' });
  must(object({ success: exactly(false) })(await peer.hear('log_filters_updated')));
  peer.socket.emit('subscribe_logs');
  must(object({ subscribed: exactly(true) })(await peer.hear('log_subscription_confirmed')));
  peer.socket.emit('update_log_filters', { level: 'warn' });
  must(object({ success: exactly(true) })(await peer.hear('log_filters_updated', (data) => data.success)));
  const mark = randomUUID();
  const logs = [{ level: 'info', message: `info ${mark}` }, { level: 'warn', message: `warn ${mark}` }];
  await server.ask('POST', '/api/server/logs', { logs });
  const line = await peer.hear('log_stream', (data) => data.payload?.msg?.includes(mark));
  must(object({ type: exactly('log_entry'), payload: object({ level: exactly(40), time: number }) })(line));
  peer.socket.emit('unsubscribe_logs');
  must(object({ subscribed: exactly(false) })(await peer.hear('log_subscription_confirmed', (data) => data.subscribed === false)));
  peer.close();
}

/** A hundred messages of a channel reach a listener each once, in their order. */
export async function nothingIsLostOrDoubled(scene) {
  const { channel, peer, user } = await inChannel(scene, { type: 'GROUP' });
  await scene.server.ask('DELETE', `/api/messaging/channels/${channel}/agents/${scene.agent}`);
  const listener = connect(scene.library, scene.server, scene.transports, { entityId: randomUUID() });
  await listener.hear('connection_established');
  await listener.join(channel);
  const texts = Array.from({ length: 100 }, (_, index) => `line ${index}`);
  for (const line of texts) peer.socket.emit('message', { type: 2, payload: sent(channel, user, line) });
  await listener.hear('messageBroadcast', (data) => data.text === 'line 99');
  equal(listener.heard.filter(({ event }) => event === 'messageBroadcast').map(({ data }) => data.text), texts);
  peer.close();
  listener.close();
}

/** Who comes back with the last number that it saw hears what it missed, in order, and nothing twice. */
export async function whoComesBackIsCaughtUp(scene) {
  const { library, server, transports } = scene;
  const { channel, peer, user } = await inChannel(scene, { type: 'GROUP' });
  await server.ask('DELETE', `/api/messaging/channels/${channel}/agents/${scene.agent}`);
  const post = (content) => server.ask('POST', `/api/messaging/channels/${channel}/messages`, { author_id: user, content, message_server_id: DEFAULT_SERVER });
  await post('seen');
  const { seq } = await peer.hear('messageBroadcast', (data) => data.text === 'seen');
  must(number(seq));
  peer.close();
  for (const content of ['missed 1', 'missed 2', 'missed 3']) await post(content);
  const again = connect(library, server, transports, { entityId: user });
  await again.hear('connection_established');
  again.socket.emit('message', { type: 1, payload: { channelId: channel, entityId: user, lastSeq: seq } });
  await again.hear('messageBroadcast', (data) => data.text === 'missed 3');
  await post('new');
  await again.hear('messageBroadcast', (data) => data.text === 'new');
  const texts = again.heard.filter(({ event }) => event === 'messageBroadcast').map(({ data }) => data.text);
  equal(texts, ['missed 1', 'missed 2', 'missed 3', 'new']);
  again.close();
}

/** A message that is longer than messages may be is refused, and is not stored. */
export async function aMessageThatIsTooLongIsRefused(scene) {
  const { channel, peer, user } = await inChannel(scene, { type: 'GROUP' });
  peer.socket.emit('message', { type: 2, payload: sent(channel, user, 'z'.repeat(1_100_000)) });
  must(object({ error: text })(await peer.hear('messageError')));
  const { json } = await scene.server.ask('GET', `/api/messaging/channels/${channel}/messages`);
  equal(json.data.messages, []);
  peer.close();
}

/** All cases. */
export const ALL = [
  aConnectionIsGreeted, aBadHandshakeIsRefused, theKeyComesByAnyName, aChannelIsJoinedInBothFramings, aMessageReachesEverybody,
  aWrongMessageIsRefused, theSenderIsWhoConnected, anUnknownChannelIsMade, aReplyIsStreamed, whatRestDoesIsTold, theLogIsReadAlong,
  nothingIsLostOrDoubled, whoComesBackIsCaughtUp, aMessageThatIsTooLongIsRefused,
];
