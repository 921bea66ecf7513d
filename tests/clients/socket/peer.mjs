// One connection of socket.io-client, with everything that it heard, in its order.

import { KEY } from '../lib/server.mjs';

const PATIENCE_MS = 20_000;

/** Connects, and notes every event. `auth` is what the handshake says beside the key. */
export function connect(library, server, transports, auth, { key = KEY, extra = {} } = {}) {
  const socket = library.io(server.baseUrl, {
    auth: { ...(key ? { apiKey: key } : {}), ...auth },
    transports,
    forceNew: true,
    reconnection: false,
    ...extra,
  });
  const heard = [];
  const waiting = new Set();
  const tell = (event, data) => {
    heard.push({ event, data });
    for (const wake of [...waiting]) wake();
  };
  socket.onAny((event, data) => tell(event, data));
  socket.on('connect', () => tell('connect', {}));
  socket.on('connect_error', (error) => tell('connect_error', { message: error.message }));
  socket.on('disconnect', (reason) => tell('disconnect', { reason }));
  return {
    socket,
    heard,
    /** The names of what was heard, without those in between that are named. */
    names: (...without) => heard.map(({ event }) => event).filter((event) => !without.includes(event)),
    /** Waits for an event for which a condition holds; its payload. */
    hear(event, holds = () => true, patienceMs = PATIENCE_MS) {
      const found = () => heard.find((each) => each.event === event && holds(each.data));
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`no ${event} within ${patienceMs} ms, but ${JSON.stringify(heard).slice(0, 1500)}`));
        }, patienceMs);
        const look = () => {
          const one = found();
          if (!one) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(one.data);
        };
        waiting.add(look);
        look();
      });
    },
    /** Joins a channel in the framing that the web UI uses. */
    async join(channelId, entityId) {
      socket.emit('message', { type: 1, payload: { channelId, roomId: channelId, entityId } });
      return this.hear('channel_joined', (data) => data.channelId === channelId);
    },
    close: () => socket.disconnect(),
  };
}
