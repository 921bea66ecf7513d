// The services of sessions and of jobs.

import { SAID } from '../lib/model.mjs';
import { exactly, list, number, object, oneOf, text, textLike } from '../lib/shapes.mjs';
import {
  answeredJob, createdJob, job, jobsHealth, session, sessionInfo, sessionMessage, sessionMessages, sessionReply, succeeded,
} from './promises.mjs';

/** Every method of sessions. */
export async function sessions(scene) {
  if (!scene.has('sessions')) return;
  const { ids, user, trial, client } = scene;
  const made = await scene.call('sessions.createSession', [{ agentId: ids.agent, userId: user, metadata: { platform: 'web' } }], session);
  const id = made?.sessionId ?? 'none';
  const healthy = object({ status: oneOf('healthy', 'unhealthy'), activeSessions: number, timestamp: text });
  await scene.call('sessions.checkHealth', [], healthy);
  await scene.call('sessions.getSession', [id], sessionInfo);
  await scene.call('sessions.listSessions', [], object({ sessions: list(sessionInfo), total: number }));
  await scene.call('sessions.sendMessage', [id, { content: 'hello', metadata: { source: 'tests', tags: ['a'] } }], sessionMessage);
  const reply = await scene.call('sessions.sendMessage', [id, { content: 'hello again', transport: 'http' }], sessionReply);
  trial.note('sessions: the reply is the model\'s', textLike(new RegExp(SAID))(reply?.agentResponse?.text));
  const image = { type: 'image', url: 'https://example.com/a.png', name: 'a.png', mimeType: 'image/png', size: 1 };
  await scene.call('sessions.sendMessageSync', [id, { content: 'see this', attachments: [image] }], sessionReply);
  await scene.call('sessions.getMessages', [id, { limit: 10 }], sessionMessages);
  const tomorrow = new Date(Date.now() + 86_400_000);
  await scene.call('sessions.getMessages', [id, { limit: 2, before: tomorrow, after: '2020-01-01T00:00:00Z' }], sessionMessages);
  await scene.call('sessions.deleteSession', [id], succeeded);
  await trial.rejects('sessions.getSession of a deleted one', () => client.sessions.getSession(id), /not found/i);
}

/** Every method of jobs. */
export async function jobs(scene) {
  if (!scene.has('jobs')) return;
  const { ids, user, trial, client } = scene;
  const asked = { userId: user, agentId: ids.agent, content: 'a job', metadata: { from: 'tests' }, timeoutMs: 20_000 };
  const made = await scene.call('jobs.create', [asked], createdJob);
  const id = made?.jobId ?? 'none';
  await scene.call('jobs.getJob', [id], job);
  await scene.call('jobs.poll', [id, { interval: 50, timeout: 20_000 }], answeredJob);
  await scene.call('jobs.list', [{ limit: 10, status: 'completed' }], object({ jobs: list(job), total: number, filtered: number }));
  await scene.call('jobs.health', [], jobsHealth);
  await scene.call('jobs.createAndPoll', [asked, { interval: 50, timeout: 20_000 }], answeredJob);
  await scene.call('jobs.createAndPollWithBackoff', [asked, { initialInterval: 20, maxInterval: 200, timeout: 20_000 }], answeredJob);
  await scene.call('jobs.ask', [user, 'what do you say?', ids.agent, { interval: 50, timeout: 20_000 }], textLike(new RegExp(SAID)));
  // Without an agent, any that runs does it.
  await scene.call('jobs.ask', [user, 'anybody?', undefined, { interval: 50, timeout: 20_000 }], textLike(new RegExp(SAID)));
  await trial.rejects('jobs.getJob of no job', () => client.jobs.getJob('11111111-1111-4111-8111-111111111111'), /not found|unknown error/i);
  trial.note('jobs: figures', exactly('number')(typeof (await client.jobs.health().catch(() => ({}))).totalJobs));
}
