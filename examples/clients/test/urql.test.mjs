import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import * as urql from '../urql.mjs';
import { ask, change, conversationOf, Heard, proxy, recorder, say, twoOfOneContact, url } from './gateway.mjs';

const ids = connection => connection.edges.map(edge => edge.node.id);

// Shows a query, as a component would, and returns what it shows over time.
function show(t, client, query, variables = {}) {
  const heard = new Heard();
  const { unsubscribe } = client.query(query, variables).subscribe(result => heard.push(result));
  t.after(unsubscribe);
  return { heard, first: heard.first(({ stale, data }) => !stale && data) };
}

// Listens, as a component would, and returns what is heard.
function listen(t, client, query, variables) {
  const heard = new Heard();
  const { unsubscribe } = client.subscription(query, variables).subscribe(({ data, error }) => heard.push(data ?? error));
  t.after(unsubscribe);
  return heard;
}

test('urql: objects reached by several paths are one in the cache', async () => {
  const { contact, ids } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const client = urql.connect(url, { fetch });
  for (const id of ids) await client.query(urql.thread, { id, first: 0 });
  const { data } = await client.query(urql.contact, { id: contact.id });
  assert.equal(data.contact.email, contact.email);
  assert.deepEqual(calls, ['Thread', 'Thread']);
});

test('urql: pages of conversations make one list', async () => {
  const { conversations } = await ask('{ conversations(status: [CLOSED], first: 10) { nodes { id } } }');
  const { fetch, calls } = recorder();
  const client = urql.connect(url, { fetch });
  const { data: first } = await client.query(urql.inbox, { status: ['CLOSED'], first: 5 });
  assert.equal(first.conversations.edges.length, 5);
  const { data } = await client.query(urql.inbox, { status: ['CLOSED'], first: 5, after: first.conversations.pageInfo.endCursor });
  assert.deepEqual(ids(data.conversations), conversations.nodes.map(({ id }) => id));
  assert.deepEqual(calls, ['Inbox', 'Inbox']);
});

test('urql: pages of messages make one list', async () => {
  const id = await conversationOf(6);
  const { conversation } = await ask('query ($id: ID!) { conversation(id: $id) { messages(first: 6) { nodes { id } } } }', { id });
  const client = urql.connect(url);
  let messages, after;
  for (const length of [2, 4, 6]) {
    ({ data: { conversation: { messages } } } = await client.query(urql.thread, { id, first: 2, after }));
    assert.equal(messages.edges.length, length);
    after = messages.pageInfo.endCursor;
  }
  assert.deepEqual(ids(messages), conversation.messages.nodes.map(({ id }) => id));
});

test('urql: an error has its code, and what did not fail is there', async () => {
  const { data, error } = await urql.connect(url).query('query Partly { viewer { caller } conversation(id: "Contact:1") { id } }', {});
  assert.equal(data.viewer.caller, 'anonymous');
  assert.equal(data.conversation, null);
  const [failure] = error.graphQLErrors;
  assert.equal(failure.extensions.code, 'BAD_USER_INPUT');
  assert.deepEqual(failure.path, ['conversation']);
});

test('urql: a contact that is changed changes in every view', async t => {
  const { contact, ids } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const client = urql.connect(url, { fetch });
  const views = ids.map(id => show(t, client, urql.thread, { id, first: 0 }));
  for (const { first } of views) await first;
  const phone = `+1 ${randomUUID()}`;
  const { data } = await client.mutation(urql.updateContact, { input: { id: contact.id, attributes: { phone } } });
  assert.deepEqual(data.updateContact.userErrors, []);
  for (const { heard } of views) await heard.first(({ data }) => data?.conversation.contact.phone === phone);
  assert.deepEqual(calls, ['Thread', 'Thread', 'UpdateContact']);
});

test('urql: a user that is changed changes in every view', async t => {
  const { fetch, calls } = recorder();
  const client = urql.connect(url, { fetch });
  const { heard, first } = show(t, client, urql.agents);
  const { id } = (await first).data.users.edges[0].node;
  const alias = `Agent ${randomUUID()}`;
  await client.mutation(urql.updateUser, { input: { id, alias } });
  await heard.first(({ data }) => data?.users.edges[0].node.alias === alias);
  assert.deepEqual(calls, ['Agents', 'UpdateUser']);
});

test('urql: what can be mended in an input is data', async () => {
  const { contact } = await twoOfOneContact();
  const { data, error } = await urql.connect(url).mutation(urql.updateContact, { input: { id: contact.id, attributes: {} } });
  assert.equal(error, undefined);
  assert.equal(data.updateContact.contact, null);
  const [{ code, field, message }] = data.updateContact.userErrors;
  assert.deepEqual({ code, field }, { code: 'REQUIRED', field: ['input', 'attributes'] });
  assert.ok(message);
});

test('urql: a message that is sent is shown', async t => {
  const { id } = await say('Can we begin?');
  const { fetch, calls } = recorder();
  const client = urql.connect(url, { fetch });
  const { heard, first } = show(t, client, urql.thread, { id, first: 20 });
  await first;
  const { data } = await client.mutation(urql.sendMessage, { input: { conversationId: id, body: 'Yes' } });
  const sent = data.sendMessage.message.id;
  const shown = await heard.first(({ stale, data }) => !stale && ids(data.conversation.messages).includes(sent));
  assert.equal(ids(shown.data.conversation.messages).filter(message => message === sent).length, 1);
  assert.deepEqual(calls, ['Thread', 'SendMessage', 'Thread']);
});

test('urql: a message that others send is heard and shown', async t => {
  const { id } = await say('Can we begin?');
  const client = urql.connect(url);
  const { heard, first } = show(t, client, urql.thread, { id, first: 50 });
  await first;
  const body = `Yes ${randomUUID()}`;
  await listen(t, client, urql.messageAdded, { conversationId: id }).after(() => say(body, id), data => data.messageAdded?.body.includes(body));
  await heard.first(({ data }) => data.conversation.messages.edges.some(({ node }) => node.body?.includes(body)));
});

test('urql: a contact that others change changes in every view', async t => {
  const { contact, ids: [one] } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const client = urql.connect(url, { fetch });
  const { heard, first } = show(t, client, urql.thread, { id: one, first: 0 });
  await first;
  const phone = `+1 ${randomUUID()}`;
  const updated = listen(t, client, urql.contactUpdated, { contactId: contact.id });
  await updated.after(n => change(contact.id, { phone: `${phone} ${n}` }), data => data.contactUpdated?.phone?.startsWith(phone));
  await heard.first(({ data }) => data?.conversation.contact.phone?.startsWith(phone));
  assert.deepEqual(calls, ['Thread']);
});

test('urql: a contact that others change is heard over plain HTTP, too', async t => {
  const { contact } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const phone = `+1 ${randomUUID()}`;
  const updated = listen(t, urql.connect(url, { fetch, fetchSubscriptions: true }), urql.contactUpdated, { contactId: contact.id });
  await updated.after(n => change(contact.id, { phone: `${phone} ${n}` }), data => data.contactUpdated?.phone?.startsWith(phone));
  assert.deepEqual(calls, ['ContactUpdated']);
});

test('urql: after its connection was cut, what it shows is right again', async t => {
  const line = await proxy(t);
  const { id } = await say('Are you there?');
  const variables = { id, first: 50 };
  const client = urql.connect(line.url, {
    onReconnect: () => client.query(urql.thread, variables, { requestPolicy: 'network-only' }).toPromise(),
  });
  const { heard, first } = show(t, client, urql.thread, variables);
  await first;
  const added = listen(t, client, urql.messageAdded, { conversationId: id });
  await added.after(() => say('Hello?', id), () => true);
  line.cut();
  const missed = `Missed ${randomUUID()}`;
  await say(missed, id);
  line.mend();
  const shows = body => ({ data }) => data?.conversation.messages.edges.some(({ node }) => node.body?.includes(body));
  await heard.first(shows(missed));
  const later = `Heard ${randomUUID()}`;
  await added.after(() => say(later, id), data => data.messageAdded?.body.includes(later));
  await heard.first(shows(later));
});
