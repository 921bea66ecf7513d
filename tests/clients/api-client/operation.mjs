// The services of the system and of the server; the last step stops it.

import {
  anything, exactly, list, number, object, oneOf, optional, record, text, time, uuid,
} from '../lib/shapes.mjs';
import { logs } from './promises.mjs';

const ITS_OWN_WORDS = 'every released server says `OK`, and has no `uptime` here';

/** Every method of the system. */
export async function system(scene) {
  const { client, trial } = scene;
  const set = (name) => object({ success: exactly(true), message: text, ...name });
  await scene.call('system.updateLocalEnvironment', [{ variables: { FIRST_NAME: 'one' }, merge: true }], set());
  await scene.call('system.updateLocalEnvironment', [{ content: { SECOND_NAME: 'two' } }], set());
  await scene.call('system.updateLocalEnvironment', [{ THIRD_NAME: 'three' }], set());
  const named = object({ FIRST_NAME: text, SECOND_NAME: text, THIRD_NAME: text });
  await scene.call('system.getEnvironment', [], named);
  await scene.call('system.getEnvironment', [], record(text));
  await scene.call('system.deleteGlobalLogs', [], object({ status: exactly('success'), message: text }));
  // The client refuses by itself.
  await trial.rejects('system.deleteLog', () => client.system.deleteLog('1'), /not supported/);
}

/** Every method of the server but the last. */
export async function server(scene) {
  const health = object({ status: text, uptime: optional(number), timestamp: time, version: optional(text) });
  await scene.call('server.checkHealth', [], health, ITS_OWN_WORDS);
  await scene.call('server.ping', [], object({ pong: exactly(true) }));
  await scene.call('server.hello', [], object({ message: text }));
  const status = object({
    agents: object({ total: number, active: number, inactive: number }),
    memory: object({ used: number, total: number, percentage: number }),
    uptime: number,
    version: text,
  });
  await scene.call('server.getStatus', [], status);
  const debug = object({
    runtime: object({
      agents: list(object({ id: uuid, name: text, status: oneOf('active', 'inactive') })),
      connections: number,
      memory: record(anything),
    }),
    environment: record(text),
  });
  await scene.call('server.getDebugInfo', [], debug);
  const told = [
    { level: 'info', message: 'said by a client', source: 'tests' },
    { level: 'error', message: 'and this, too', metadata: { code: 1 } },
  ];
  await scene.call('server.submitLogs', [told], object({ received: exactly(2) }));
  const { logs: lines } = await scene.call('system.getGlobalLogs', [{ level: 'info' }], logs);
  scene.trial.note('what a client logs is in the log', lines.some((line) => line.msg.includes('said by a client')) ? [] : ['it is not']);
  await scene.call('server.clearLogs', [], object({ cleared: number }));
}

/** Stops the server by its API; the process ends well. */
export async function stop(scene) {
  await scene.call('server.stopServer', [], object({ success: exactly(true) }));
  scene.trial.note('the server ends when it is told to', exactly(0)(await scene.server.ends(30_000)));
}

