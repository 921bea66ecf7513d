// Doolittle as a process: a fresh data directory, a free port, a key, and what it said if something goes wrong.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The key of every server that a test starts. */
export const KEY = 'the-key-of-the-clients-tests';

/** The default message server, which is there from the start. */
export const DEFAULT_SERVER = '00000000-0000-0000-0000-000000000000';

const PATIENCE_MS = 30_000;

/** A port of 127.0.0.1 that nobody listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Asks until the answer is what is waited for; the last failure is the error. */
export async function eventually(what, attempt, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const found = await attempt();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Starts Doolittle with these settings beside the usual ones and waits until it answers. */
export async function startServer(settings = {}) {
  const program = process.env.DOOLITTLE_BIN;
  if (!program) throw new Error('DOOLITTLE_BIN names the program to test');
  const directory = mkdtempSync(join(tmpdir(), 'doolittle-clients-'));
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const environment = {
    PATH: process.env.PATH,
    HOME: directory,
    ELIZA_SERVER_AUTH_TOKEN: KEY,
    // The tests ask more than a person does in a minute.
    RATE_LIMIT_MAX: '0',
    EMBEDDING_PROVIDER: 'none',
    DEFAULT_AGENT: 'false',
    ...settings,
  };
  const child = spawn(program, ['--port', String(port), '--data-dir', directory], { env: environment, cwd: directory });
  let said = '';
  const listen = (piece) => {
    said = (said + piece).slice(-20_000);
  };
  child.stdout.on('data', listen);
  child.stderr.on('data', listen);
  const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  child.once('error', (error) => listen(`${error}\n`));

  const server = {
    baseUrl,
    port,
    directory,
    /** The last of what the server printed. */
    log: () => said,
    /** The exit code, or what is the matter where the server does not end in time. */
    async ends(patienceMs) {
      let timer;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, patienceMs, 'still running');
      });
      return Promise.race([ended, late]).finally(() => clearTimeout(timer));
    },
    /** Asks the server to end, and removes its data. */
    async stop() {
      if (child.exitCode === null) child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await ended;
      clearTimeout(timer);
      rmSync(directory, { recursive: true, force: true });
    },
    /** One request with the key, past every client. */
    async ask(method, path, body) {
      const response = await fetch(baseUrl + path, {
        method,
        headers: { 'x-api-key': KEY, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      let json;
      try {
        json = JSON.parse(text);
      } catch {
        json = undefined;
      }
      return { status: response.status, text, json };
    },
  };
  try {
    await eventually('the server answers', async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${said}`);
      return fetch(`${baseUrl}/healthz`).then((response) => response.ok, () => false);
    });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}
