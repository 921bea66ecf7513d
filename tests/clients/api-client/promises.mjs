// What the type declarations of @elizaos/api-client promise, written down by hand as shapes.

import {
  anything, either, exactly, flag, list, nullable, number, object, oneOf, optional, record, text, time, uuid,
} from '../lib/shapes.mjs';

const texts = list(text, { mayBeEmpty: true });
const ids = list(uuid, { mayBeEmpty: true });
const metadata = optional(record(anything));

/** What every deletion resolves to. */
export const succeeded = object({ success: exactly(true) });

/** An agent in lists, which show less than `Agent` promises; the fields that are required there and shown. */
export const listedAgent = object({ id: uuid, name: text, bio: either(text, texts), status: oneOf('active', 'inactive') });

export const agent = object({
  id: uuid,
  name: text,
  bio: either(text, texts),
  enabled: optional(flag),
  status: optional(oneOf('active', 'inactive')),
  createdAt: number,
  updatedAt: number,
  username: optional(text),
  system: optional(text),
  topics: optional(texts),
  adjectives: optional(texts),
  plugins: optional(texts),
  settings: optional(record(anything)),
  style: optional(object({ all: optional(texts), chat: optional(texts), post: optional(texts) })),
});

export const world = object({ id: uuid, name: text, description: optional(text), agents: optional(list(agent, { mayBeEmpty: true })) });

export const agentLog = object({
  id: optional(uuid),
  type: optional(text),
  timestamp: optional(number),
  message: optional(text),
  details: optional(text),
  roomId: optional(uuid),
  body: optional(object({ modelType: optional(text), modelKey: optional(text) })),
  createdAt: optional(time),
});

export const agentsOfServer = object({ messageServerId: uuid, serverId: uuid, agents: ids });
export const serversOfAgent = object({ agentId: uuid, messageServers: ids, servers: ids });
export const agentOnServer = object({ messageServerId: uuid, serverId: uuid, agentId: uuid, message: text });

export const messageServer = object({
  id: uuid, name: text, sourceType: text, sourceId: optional(text), metadata, createdAt: time, updatedAt: time,
});

const CHANNEL_TYPES = ['SELF', 'DM', 'GROUP', 'VOICE_DM', 'VOICE_GROUP', 'FEED', 'THREAD', 'WORLD', 'FORUM', 'API'];

export const channel = object({
  id: uuid,
  messageServerId: uuid,
  name: text,
  type: oneOf(...CHANNEL_TYPES),
  sourceType: optional(text),
  sourceId: optional(text),
  topic: optional(text),
  metadata,
  createdAt: time,
  updatedAt: time,
});

export const message = object({
  id: uuid,
  channelId: uuid,
  authorId: uuid,
  content: text,
  rawMessage: optional(anything),
  inReplyToRootMessageId: optional(nullable(uuid)),
  sourceType: optional(text),
  sourceId: optional(text),
  createdAt: time,
  updatedAt: time,
  metadata,
});

export const memory = object({
  id: uuid,
  entityId: optional(uuid),
  agentId: uuid,
  roomId: optional(uuid),
  type: text,
  content: anything,
  createdAt: time,
  metadata: optional(nullable(record(anything))),
});

export const room = object({ id: uuid, agentId: uuid, name: text, type: optional(text), metadata: optional(nullable(record(anything))) });

const counts = object({ actions: number, modelCalls: number, errors: number, evaluators: number });

export const runSummary = object({
  runId: uuid,
  status: oneOf('completed', 'timeout', 'error', 'started'),
  startedAt: nullable(number),
  endedAt: optional(nullable(number)),
  durationMs: optional(nullable(number)),
  messageId: optional(uuid),
  roomId: optional(uuid),
  entityId: optional(uuid),
  counts: optional(counts),
  metadata,
});

export const runDetail = object({
  summary: runSummary,
  events: list(object({
    type: oneOf('RUN_STARTED', 'RUN_ENDED', 'ACTION_STARTED', 'ACTION_COMPLETED', 'MODEL_USED', 'EVALUATOR_COMPLETED', 'EMBEDDING_EVENT'),
    timestamp: number,
    data: record(anything),
  })),
});

export const upload = object({ url: text, type: text, filename: text, originalName: text, size: number });

export const logs = object({
  logs: list(object({ level: number, time: number, msg: text })),
  count: number,
  total: number,
  level: text,
  levels: list(text),
});

export const session = object({ sessionId: text, agentId: uuid, userId: uuid, createdAt: time, metadata: record(anything) });

export const sessionInfo = object({
  sessionId: text, agentId: uuid, userId: uuid, createdAt: time, lastActivity: time, metadata: record(anything),
});

const sessionStatus = object({ expiresAt: time, renewalCount: number, wasRenewed: flag, isNearExpiration: flag });

const userMessage = object({ id: uuid, content: text, authorId: uuid, createdAt: time, metadata });

export const sessionMessage = object({ success: exactly(true), userMessage, sessionStatus: optional(sessionStatus) });

export const sessionReply = object({
  success: exactly(true),
  userMessage,
  agentResponse: object({ text, thought: optional(text), actions: optional(texts) }),
  sessionStatus,
});

export const sessionMessages = object({
  messages: list(object({ id: uuid, content: text, authorId: uuid, isAgent: flag, createdAt: time, metadata: record(anything) })),
  hasMore: flag,
});

const jobStatus = oneOf('pending', 'processing', 'completed', 'failed', 'timeout');

export const createdJob = object({ jobId: text, status: jobStatus, createdAt: number, expiresAt: number });

const jobFields = { jobId: text, status: jobStatus, agentId: uuid, userId: uuid, prompt: text, createdAt: number, expiresAt: number, metadata };

export const job = object({ ...jobFields, error: optional(text) });

export const answeredJob = object({
  success: exactly(true),
  attempts: number,
  timeMs: number,
  job: object({
    ...jobFields,
    status: exactly('completed'),
    result: object({ message: object({ id: uuid, content: text, authorId: uuid, createdAt: number, metadata }), processingTimeMs: number }),
  }),
});

export const jobsHealth = object({
  healthy: flag,
  timestamp: number,
  totalJobs: number,
  statusCounts: object({ pending: number, processing: number, completed: number, failed: number, timeout: number }),
  metrics: object({ averageProcessingTimeMs: number, successRate: number, failureRate: number, timeoutRate: number }),
  maxJobs: number,
});
