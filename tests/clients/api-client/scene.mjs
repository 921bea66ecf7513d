// What the steps share: the client, the book, and the things that earlier steps made.

import { randomUUID } from 'node:crypto';

/** The names of methods before version 1.7, where they were others. */
const OLDER = {
  'agents.getAgentsForMessageServer': 'getAgentsForServer',
  'agents.addAgentToMessageServer': 'addAgentToServer',
  'agents.removeAgentFromMessageServer': 'removeAgentFromServer',
  'agents.getMessageServersForAgent': 'getServersForAgent',
  'messaging.listMessageServers': 'listServers',
  'messaging.getMessageServerChannels': 'getServerChannels',
  'messaging.createMessageServer': 'createServer',
  'messaging.syncMessageServerChannels': 'syncServerChannels',
  'messaging.deleteMessageServer': 'deleteServer',
  'memory.createWorldFromMessageServer': 'createWorldFromServer',
};

/** A client, a server and a book. */
export class Scene {
  constructor({ client, trial, server, older }) {
    Object.assign(this, { client, trial, server, older });
    /** The person who speaks; also the author of what the client posts without one. */
    this.user = randomUUID();
    /** Ids that steps leave for later ones. */
    this.ids = {};
  }

  /** Whether this version of the client has a service at all. */
  has(service) {
    return service in this.client;
  }

  /** Calls a method by the name of 1.7.2 and holds the value against a shape. */
  async call(label, args, shape, unlike) {
    const [service, name] = label.split('.');
    const method = (this.older && OLDER[label]) || name;
    const own = `${service}.${method}`;
    return this.trial.resolves(own, () => this.client[service][method](...args), shape, unlike);
  }
}
