// The service of agents. It leaves a running agent, `ids.agent`, for the other steps.

import { randomUUID } from 'node:crypto';

import { DEFAULT_SERVER, eventually } from '../lib/server.mjs';
import { list, listWith, object, exactly, oneOf, text, uuid } from '../lib/shapes.mjs';
import {
  agent, agentLog, agentOnServer, agentsOfServer, listedAgent, serversOfAgent, succeeded, world,
} from './promises.mjs';

const UNWRAPPED = 'the declared type is the whole body, of which the client hands on only `data`';

/** Makes an agent and changes it in every way. */
export async function agents(scene) {
  const { ids } = scene;
  const character = { name: 'Ada', bio: ['Counts.', 'Writes letters.'], settings: { secrets: { A_KEY: 'a secret' } } };
  const made = await scene.call('agents.createAgent', [{ characterJson: character }], agent);
  ids.agent = made?.id;
  await scene.call('agents.listAgents', [], object({ agents: list(listedAgent) }));
  await scene.call('agents.startAgent', [ids.agent], object({ status: exactly('active') }));
  await scene.call('agents.getAgent', [ids.agent], agent);
  await scene.call('agents.updateAgent', [ids.agent, { bio: ['Counts no more.'] }], agent);

  await scene.call('agents.addAgentToMessageServer', [DEFAULT_SERVER, ids.agent], agentOnServer, UNWRAPPED);
  await scene.call('agents.getAgentsForMessageServer', [DEFAULT_SERVER], agentsOfServer, UNWRAPPED);
  await scene.call('agents.getMessageServersForAgent', [ids.agent], serversOfAgent, UNWRAPPED);

  await scene.call('agents.getAgentPanels', [ids.agent], object({ panels: list(object({ id: text, name: text, url: text, type: text }), { mayBeEmpty: true }) }));
  await worlds(scene);
}

async function worlds(scene) {
  const { ids, server } = scene;
  const made = await server.ask('POST', `/api/agents/${ids.agent}/worlds`, { name: 'A world', metadata: { kept: true } });
  const id = made.json?.data?.world?.id;
  await scene.call('agents.getWorlds', [], object({ worlds: listWith(object({ id: exactly(id) })) }));
  await scene.call('agents.getWorlds', [], object({ worlds: list(world) }));
  const settings = { volume: 11 };
  await scene.call('agents.updateAgentWorldSettings', [ids.agent, id, settings], object({ worldId: exactly(id), settings: exactly(settings) }));
  await scene.call('agents.addAgentToWorld', [ids.agent, id], succeeded);
}

/** What can be asked once the agent has done something. */
export async function deeds(scene) {
  const { ids, client } = scene;
  const rows = await eventually('the agent logs what it did', async () => {
    const logs = await client.agents.getAgentLogs(ids.agent, { limit: 20 });
    return logs?.length > 0 && logs;
  });
  await scene.call('agents.getAgentLogs', [ids.agent, { level: 'debug', limit: 20 }], list(agentLog));
  await scene.call('agents.deleteAgentLog', [ids.agent, rows[0].id], succeeded);
}

/** Takes an agent off its servers, stops and deletes it. */
export async function farewell(scene) {
  const { client } = scene;
  const other = await client.agents.createAgent({ agent: { name: `Babbage ${randomUUID()}`, bio: ['Leaves.'] } });
  await client.agents.startAgent(other.id);
  await scene.call('agents.removeAgentFromMessageServer', [DEFAULT_SERVER, other.id], agentOnServer, UNWRAPPED);
  await scene.call('agents.stopAgent', [other.id], object({ status: oneOf('inactive'), id: uuid }));
  await scene.call('agents.deleteAgent', [other.id], succeeded);
}
