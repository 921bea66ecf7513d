// The services of audio and of media.

import { HEARD, silence } from '../lib/model.mjs';
import { object, oneOf, optional, record, text, textLike, anything, number } from '../lib/shapes.mjs';
import { upload } from './promises.mjs';

/** One transparent pixel. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

const spoken = object({ audio: textLike(BASE64), format: text });

/** A reply to something that was said: all of it is optional in the declarations, and a reply has both. */
const reply = object({
  text,
  audio: textLike(BASE64),
  duration: optional(number),
  metadata: optional(record(anything)),
});

/** Every method of audio. A recording may be a blob, bytes, base64 or a data URL. */
export async function audio(scene) {
  const { ids } = scene;
  const wave = silence();
  const heard = object({ text: textLike(new RegExp(HEARD)), language: optional(text), confidence: optional(number) });
  const recordings = [
    new Blob([wave], { type: 'audio/wav' }),
    wave,
    wave.toString('base64'),
    `data:audio/wav;base64,${wave.toString('base64')}`,
  ];
  for (const recording of recordings) {
    await scene.call('audio.transcribe', [ids.agent, { audio: recording, format: 'wav', language: 'en' }], heard);
  }
  await scene.call('audio.generateSpeech', [ids.agent, { text: 'Good day.', voice: 'nova', speed: 1 }], spoken);
  await scene.call('audio.synthesizeAudioMessage', [ids.agent, { messageId: ids.reply, format: 'wav' }], spoken);
  const question = { audio: new Blob([wave], { type: 'audio/wav' }), format: 'wav', language: 'en', metadata: { from: 'tests' } };
  await scene.call('audio.speechConversation', [ids.agent, question], reply);
  await scene.call('audio.processSpeech', [ids.agent, wave, { from: 'tests' }], reply);
}

/** Every method of media. */
export async function media(scene) {
  const { ids, server } = scene;
  const pixel = Buffer.from(PIXEL, 'base64');
  const file = new File([pixel], 'pixel.png', { type: 'image/png' });
  const params = { file, filename: 'pixel.png', contentType: 'image/png', metadata: { from: 'tests' } };
  const forAgent = await scene.call('media.uploadAgentMedia', [ids.agent, params], upload);
  const forChannel = await scene.call('media.uploadChannelMedia', [ids.channel, file], upload);
  for (const uploaded of [forAgent, forChannel]) {
    const problems = await served(server, uploaded, pixel);
    scene.trial.note(`media is served at ${uploaded?.url?.split('/').slice(0, 4).join('/')}`, problems);
  }
  scene.trial.note('media types', object({ type: oneOf('image', 'image/png') })(forAgent));
}

async function served(server, uploaded, bytes) {
  const response = await fetch(`${server.baseUrl}${uploaded?.url}`);
  const same = response.ok && Buffer.compare(Buffer.from(await response.arrayBuffer()), bytes) === 0;
  return same ? [] : [`${response.status}, or not the same bytes`];
}
