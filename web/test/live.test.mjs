// The reference clients of graphql-transport-ws and of GraphQL over server-sent events, and the playground, on a gateway that runs at
// DRIFTGRAPH_URL on its own sandbox, with DRIFT_WEBHOOK_TOKEN as here: npm test.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient as createEventsClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import WebSocket from 'ws';
import { answer, ask, launch, open, run, write } from './browser.mjs';

const url = new URL('graphql', process.env.DRIFTGRAPH_URL ?? 'http://127.0.0.1:8080');
const { data } = await ask({ query: '{ conversations(first: 1) { nodes { driftId contact { id driftId name } } } }' });
const [{ driftId: conversation, contact }] = data.conversations.nodes;
const subscription = `subscription Changed { contactUpdated(contactId: ${contact.driftId}) { id name } }`;

let moment = Date.now();

/** Posts an event as Drift does, a new one each time. */
async function post(type, data) {
  const response = await fetch(new URL('webhooks/drift', url), {
    method: 'POST',
    body: JSON.stringify({ type, token: process.env.DRIFT_WEBHOOK_TOKEN, data: { ...data, changedAt: moment++ } }),
  });
  assert.equal(response.status, 200, 'DRIFT_WEBHOOK_TOKEN is that of the gateway');
}

/** Posts events until one is told, since nothing says when a subscription has begun. */
async function postUntil(told, type, data) {
  let done = false;
  told = told.finally(() => (done = true));
  while (!done) {
    await post(type, data);
    await Promise.race([told, new Promise(resolve => setTimeout(resolve, 20))]);
  }
  return told;
}

const clients = {
  'graphql-ws': () => createSocketClient({ url: url.href.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 }),
  'graphql-sse': () => createEventsClient({ url: url.href, retryAttempts: 0 }),
};

for (const [name, create] of Object.entries(clients)) {
  test(`${name} is told of events`, async () => {
    const client = create();
    const results = client.iterate({ query: subscription });
    for (let i = 0; i < 3; i++) {
      const { value, done } = await postUntil(results.next(), 'contact_updated', { endUserId: Number(contact.driftId) });
      assert.equal(done, false);
      assert.deepEqual(value.data, { contactUpdated: { id: contact.id, name: contact.name } });
    }
    assert.equal((await results.return()).done, true);
    await client.dispose();
  });

  test(`${name} asks a query`, async () => {
    const client = create();
    const results = [];
    for await (const result of client.iterate({ query: '{ viewer { caller } }' })) results.push(result);
    assert.deepEqual(results, [{ data: { viewer: { caller: 'anonymous' } } }]);
    await client.dispose();
  });

  test(`${name} is told what is wrong`, async () => {
    const client = create();
    const faults = [];
    try {
      for await (const { errors } of client.iterate({ query: 'subscription { nothing }' })) faults.push(...errors);
    } catch (errors) {
      faults.push(...errors);
    }
    assert.equal(faults[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
    await client.dispose();
  });
}

test('the playground shows what happens, and stops', async () => {
  const browser = await launch();
  try {
    const page = await open(browser);
    await page.getByRole('tab').getByRole('button', { name: 'Live', exact: true }).click();
    await write(page, 'operation.graphql', `subscription Live { conversationUpdated(conversationId: ${conversation}) { driftId } }`);
    await run(page);
    const { data, errors } = await postUntil(answer(page), 'conversation_inactive', { conversationId: Number(conversation) });
    assert.equal(errors, undefined);
    assert.deepEqual(data, { conversationUpdated: { driftId: conversation } });
    await page.getByRole('button', { name: /^Stop query/ }).click();
    await page.getByRole('button', { name: /^Execute query/ }).waitFor();
    assert.deepEqual(page.faults, []);
  } finally {
    await browser.close();
  }
});
