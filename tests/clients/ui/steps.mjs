// What a person does in the web UI, in this order: a step finds what the one before has left.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { DEFAULT_SERVER, eventually } from '../lib/server.mjs';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

function must(condition, what) {
  if (!condition) throw new Error(what);
}

const card = (page, name) => page.getByTestId('agent-card').filter({ hasText: name });
const chat = (page) => page.getByTestId('chat-messages');
const input = (page) => page.getByTestId('chat-input');

/** Says something in the open chat. */
async function say(page, text) {
  await input(page).and(page.locator(':enabled')).waitFor();
  await input(page).fill(text);
  await page.getByTestId('send-button').click();
  await chat(page).getByText(text, { exact: true }).first().waitFor();
}

/** Everything that is said in the open chat. */
async function lines(page) {
  return (await chat(page).innerText()).split('\n').map((line) => line.trim()).filter(Boolean);
}

/** Waits until the chat may be written in again, which is when the agent has said everything. */
async function answered(page, before) {
  await input(page).and(page.locator(':enabled')).waitFor();
  return eventually('there is an answer', async () => (await lines(page)).length > before.length + 1 && lines(page));
}

/** The agent that is there from the start is on the first page. */
export async function agentsAreListed({ page, server }) {
  await page.goto(server.baseUrl);
  await card(page, 'Eliza').waitFor();
}

/** A chat opens, and what the agent says comes in pieces before it comes as a whole. */
export async function aMessageGetsAStreamedReply({ page, frames }) {
  await card(page, 'Eliza').click();
  await input(page).waitFor();
  await page.getByTestId('connection-status').getByText('Connected', { exact: true }).waitFor();
  frames();
  await say(page, 'I am sad about my bicycle.');
  await answered(page, ['I am sad about my bicycle.']);
  const came = frames();
  const first = (event) => came.findIndex((frame) => frame.startsWith('42') && frame.includes(`"${event}"`));
  must(first('messageStreamChunk') >= 0, 'no piece of a reply came over the socket');
  must(first('messageBroadcast') >= 0, 'no message came over the socket');
}

/** What was said is there after a reload, in its order. */
export async function historySurvivesAReload({ page }) {
  const before = await lines(page);
  const said = before.filter((line) => !/^\d+:\d+/.test(line));
  await page.reload();
  await chat(page).getByText(said[0], { exact: true }).waitFor();
  await eventually('the history is as it was', async () => {
    const now = (await lines(page)).filter((line) => !/^\d+:\d+/.test(line));
    return JSON.stringify(now) === JSON.stringify(said);
  });
}

/**
 * The published UI shows the newest 30 messages of a chat and has no way to scroll beyond them, although its code knows how to
 * ask. What it would ask, with ISO 8601 times, brings all of them, each once.
 */
export async function olderMessagesCanBeLoaded({ page, server }) {
  const channel = page.url().match(/\/chat\/[^/]+\/([0-9a-f-]{36})/)?.[1] ?? (await currentChannel(server));
  const author = '8ff3442d-deec-4e87-b795-ca44c826dc0c';
  for (let number = 1; number <= 70; number += 1) {
    const message = { author_id: author, content: `line ${number}`, message_server_id: DEFAULT_SERVER, channel_id: channel };
    const told = await server.ask('POST', '/api/messaging/action', { ...message, source_type: 'test', raw_message: {} });
    must(told.status === 201, told.text);
  }
  await page.reload();
  await chat(page).getByText('line 70', { exact: true }).waitFor();
  must((await chat(page).getByText('line 20', { exact: true }).count()) === 0, 'more than a page is shown at once');
  const found = await page.evaluate(async (id) => {
    const contents = [];
    let before;
    for (let turn = 0; turn < 10; turn += 1) {
      const query = before ? `&before=${encodeURIComponent(new Date(before - 1).toISOString())}` : '';
      const { data } = await (await fetch(`/api/messaging/channels/${id}/messages?limit=30${query}`)).json();
      if (data.messages.length === 0) break;
      contents.push(...data.messages.map((each) => each.content));
      before = Math.min(...data.messages.map((each) => Date.parse(each.createdAt)));
    }
    return contents;
  }, channel);
  const wanted = Array.from({ length: 70 }, (_, index) => `line ${70 - index}`);
  must(JSON.stringify(found.slice(0, 70)) === JSON.stringify(wanted), `not every line once: ${found.slice(0, 75)}`);
}

async function currentChannel(server) {
  const { json } = await server.ask('GET', `/api/messaging/message-servers/${DEFAULT_SERVER}/channels`);
  return json.data.channels.find((each) => each.type === 'DM').id;
}

/** A picture is attached, seen before it is sent, and seen in the chat, where it is loaded from the server. */
export async function anImageIsAttachedAndSeen({ page, server }) {
  const path = join(server.directory, 'pixel.png');
  writeFileSync(path, Buffer.from(PIXEL, 'base64'));
  await page.locator('input[type=file][multiple]').setInputFiles(path);
  await page.getByAltText('Selected file').waitFor();
  await say(page, 'Look at this.');
  const shown = chat(page).locator('img[src*="/media/uploads/"]').last();
  await shown.waitFor();
  await eventually('the picture is loaded', () => shown.evaluate((image) => image.complete && image.naturalWidth > 0));
  await input(page).and(page.locator(':enabled')).waitFor();
}

/** The panels beside a chat show the agent, its runs, calls of models, memories and logs. */
export async function thePanelsShowWhatIsThere({ page, picture }) {
  if ((await page.getByRole('tab', { name: 'Memories' }).count()) === 0) {
    await page.locator('button:has(svg.lucide-panel-right)').first().click();
  }
  await page.getByRole('tab', { name: 'Details' }).click();
  await page.locator('#name').waitFor();
  must((await page.locator('#name').inputValue()) === 'Eliza', 'the details have no name');
  await page.getByRole('tab', { name: 'Memories' }).click();
  await page.getByText('I am sad about my bicycle.').nth(1).waitFor();
  await picture('memories');
  await page.getByRole('tab', { name: 'Timeline' }).click();
  must((await page.getByText('No agent runs yet').count()) === 0, 'there are no runs');
  await eventually('a run is shown', async () => (await page.getByText(/Failed to load runs|Loading run details/).count()) === 0);
  await picture('timeline');
  await page.getByRole('tab', { name: 'Model Calls' }).click();
  await page.getByPlaceholder(/search/i).first().waitFor();
  await picture('calls');
  await page.getByRole('tab', { name: 'Logs' }).click();
  await page.getByPlaceholder('Full-text log search').waitFor();
}

/** Another agent is made by the form. */
export async function anAgentIsCreated({ page, server }) {
  await page.goto(server.baseUrl);
  await page.getByRole('button', { name: 'Create New Agent' }).click();
  await page.locator('#name').fill('Ada');
  await page.locator('#system').fill('You are Ada, and you count.');
  await page.locator('.agent-form-submit').click();
  await card(page, 'Ada').waitFor();
  await eventually('the agent is stored', async () => (await agentNamed(server, 'Ada')) !== undefined);
}

async function agentNamed(server, name) {
  const { json } = await server.ask('GET', '/api/agents');
  return json.data.agents.find((agent) => agent.name === name);
}

const toggle = (page, name) => page.getByRole('switch', { name: `Toggle ${name}` });

/** It is started and stopped where it is listed. */
export async function anAgentIsStartedAndStopped({ page, server }) {
  const is = (status) => eventually(`Ada is ${status}`, async () => (await agentNamed(server, 'Ada')).status === status);
  await toggle(page, 'Ada').click();
  await is('active');
  await page.locator('[role=switch][aria-label="Toggle Ada"][data-state=checked]').waitFor();
  await toggle(page, 'Ada').click();
  await is('inactive');
  await page.locator('[role=switch][aria-label="Toggle Ada"][data-state=unchecked]').waitFor();
  await toggle(page, 'Ada').click();
  await is('active');
}

/** Its settings are changed by the form. */
export async function anAgentIsEdited({ page, server }) {
  const { id } = await agentNamed(server, 'Ada');
  await page.goto(`${server.baseUrl}/settings/${id}`);
  await page.locator('#system').fill('You are Ada, and you write letters.');
  await page.locator('.agent-form-submit').click();
  const stored = async () => (await server.ask('GET', `/api/agents/${id}`)).json.data.system;
  await eventually('the change is stored', async () => (await stored()) === 'You are Ada, and you write letters.');
}

/** A group with two agents is made, and both say something there. */
export async function aGroupOfTwoAgentsTalks({ page, server }) {
  await page.goto(server.baseUrl);
  await page.getByRole('tab', { name: 'Groups' }).click();
  await page.getByRole('button', { name: 'Create New Group' }).click();
  await page.locator('#chat-name').fill('Two of them');
  const dialog = page.locator('.fixed.inset-0').filter({ hasText: 'Create Group Chat' });
  await dialog.getByText('Select agents...').click();
  // An option is the first letters of the name in a circle, and the name.
  await dialog.getByText(/^AdAda$/).last().click();
  await dialog.getByText(/^ElEliza$/).last().click();
  await dialog.getByText('2 agents selected').waitFor();
  // The list of agents lies over what is below until something else is clicked.
  await dialog.getByText('Chat Name').click();
  await dialog.getByRole('button', { name: 'Create Group' }).click();
  await page.waitForURL(/\/group\/[0-9a-f-]{36}/);
  await say(page, 'Ada, Eliza: what do you both think of bees?');
  const channel = page.url().match(/\/group\/([0-9a-f-]{36})/)[1];
  await eventually('both agents answer', async () => {
    const { json } = await server.ask('GET', `/api/messaging/channels/${channel}/messages?limit=20`);
    return new Set(json.data.messages.map((message) => message.authorId)).size >= 3;
  });
  await eventually('both answers are shown', async () => (await lines(page)).length >= 3);
  await page.reload();
  await chat(page).getByText('what do you both think of bees?').first().waitFor();
}

/** The agent goes, and is not listed any more. */
export async function anAgentIsDeleted({ page, server }) {
  const { id } = await agentNamed(server, 'Ada');
  await page.goto(`${server.baseUrl}/settings/${id}`);
  await page.locator('#name').waitFor();
  await page.locator('form button[aria-haspopup=menu]').last().click();
  await page.getByRole('menuitem', { name: 'Delete Agent' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await eventually('the agent is gone', async () => (await agentNamed(server, 'Ada')) === undefined);
  await card(page, 'Eliza').waitFor();
  await card(page, 'Ada').waitFor({ state: 'detached' });
}

/** Names are added on the page of the environment, stored, and shown again without their values. */
export async function theEnvironmentIsKept({ page, server }) {
  await page.goto(`${server.baseUrl}/settings`);
  await page.locator('#secret-name').fill('MY_SETTING');
  await page.locator('#secret-value').fill('a value of its own');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('button', { name: 'Save Changes' }).click();
  const stored = async () => (await server.ask('GET', '/api/system/env/local')).json.data;
  await eventually('the name is stored', async () => 'MY_SETTING' in (await stored()));
  await page.reload();
  await page.getByText('MY_SETTING').first().waitFor();
  must((await page.getByText('a value of its own').count()) === 0, 'the value is shown');
}

/** The page of logs shows lines. */
export async function logsAreShown({ page, server }) {
  const told = await server.ask('POST', '/api/server/logs', { logs: [{ level: 'info', message: 'a line for the page of logs' }] });
  must(told.json.received === 1, told.text);
  await page.goto(`${server.baseUrl}/logs`);
  await page.getByRole('heading', { name: 'System Logs' }).waitFor();
  await page.getByText('a line for the page of logs').first().waitFor();
}

/** An address that the UI does not have is its own page for that. */
export async function anyAddressIsThePage({ page, server }) {
  await page.goto(`${server.baseUrl}/no/such/page`);
  await page.getByText(/not found|404/i).first().waitFor();
}

/** All steps in their order. */
export const ALL = [
  agentsAreListed, aMessageGetsAStreamedReply, historySurvivesAReload, anImageIsAttachedAndSeen, thePanelsShowWhatIsThere,
  olderMessagesCanBeLoaded, anAgentIsCreated, anAgentIsStartedAndStopped, anAgentIsEdited, aGroupOfTwoAgentsTalks, anAgentIsDeleted,
  theEnvironmentIsKept, logsAreShown, anyAddressIsThePage,
];
