// A model behind the server: the parts of the API of OpenAI that the tests need, with answers that are known.

import { createServer } from 'node:http';

/** What the model says to anything but a wish for a title. */
export const SAID = 'pong';

/** What it says to a wish for a title. */
export const TITLE = 'A talk about ping and pong';

/** What it hears in any recording. */
export const HEARD = 'this is a test transcription';

/** In the form that prompts of elizaOS ask for: with a thought and an action. */
const REPLY = `<response><thought>It says ping.</thought><actions>REPLY</actions><text>${SAID}</text></response>`;

/** A second of silence, which is what the model says aloud. */
export function silence() {
  const rate = 8000;
  const wave = Buffer.alloc(44 + rate);
  wave.write('RIFF', 0);
  wave.writeUInt32LE(36 + rate, 4);
  wave.write('WAVEfmt ', 8);
  wave.writeUInt32LE(16, 16);
  wave.writeUInt16LE(1, 20);
  wave.writeUInt16LE(1, 22);
  wave.writeUInt32LE(rate, 24);
  wave.writeUInt32LE(rate, 28);
  wave.writeUInt16LE(1, 32);
  wave.writeUInt16LE(8, 34);
  wave.write('data', 36);
  wave.writeUInt32LE(rate, 40);
  wave.fill(128, 44);
  return wave;
}

function completion(body) {
  const asked = JSON.stringify(body.messages ?? []);
  const said = !body.tools && /title/i.test(asked) ? TITLE : REPLY;
  return { said, model: body.model };
}

function answer(response, body) {
  const { said, model } = completion(body);
  if (!body.stream) {
    const message = { role: 'assistant', content: said };
    return send(response, {
      id: 'c', object: 'chat.completion', created: 0, model,
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const piece = (delta, finish) => {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    response.write(`data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 0, model, choices })}\n\n`);
  };
  for (const word of said.match(/.{1,3}/g)) piece({ content: word }, null);
  piece({}, 'stop');
  response.end('data: [DONE]\n\n');
}

function send(response, document) {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document));
}

/** Serves the model on a free port; `settings` make a server speak through it. */
export async function startModel() {
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    switch (request.url.split('?')[0]) {
      case '/v1/chat/completions':
        return answer(response, JSON.parse(bytes));
      case '/v1/audio/speech':
        response.writeHead(200, { 'content-type': 'audio/wav' });
        return response.end(silence());
      case '/v1/audio/transcriptions':
        return send(response, { text: HEARD });
      default:
        response.writeHead(404);
        return response.end('{"error":{"message":"no such path"}}');
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${server.address().port}/v1`;
  return {
    settings: { OPENAI_BASE_URL: base, OPENAI_API_KEY: 'x', OPENAI_TTS_MODEL: 'stub', OPENAI_TRANSCRIPTION_MODEL: 'stub' },
    stop: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    }),
  };
}
