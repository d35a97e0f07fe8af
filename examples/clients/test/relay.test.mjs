import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { register } from 'node:module';
import { test } from 'node:test';
import { commitMutation, createOperationDescriptor, fetchQuery, getRequest, requestSubscription } from 'relay-runtime';
import { ask, change, conversationOf, Heard, proxy, recorder, say, twoOfOneContact, url } from './gateway.mjs';

register('./relay-babel.mjs', import.meta.url);
const { connect } = await import('../relay/environment.js');
const inbox = await import('../relay/Inbox.js');
const threads = await import('../relay/Thread.js');

const ids = connection => connection.edges.map(edge => edge.node.id);
const bodies = connection => connection.edges.map(edge => edge.node.body ?? '');

// Shows a query, as a component would, and returns what it shows over time.
async function show(t, environment, query, variables) {
  const heard = new Heard();
  const data = await fetchQuery(environment, query, variables).toPromise();
  const operation = createOperationDescriptor(getRequest(query), variables);
  const retained = environment.retain(operation);
  const shown = environment.subscribe(environment.lookup(operation.fragment), ({ data }) => heard.push(data));
  t.after(() => (shown.dispose(), retained.dispose()));
  return { heard, data };
}

// Listens, as a component would, and returns what is heard.
function listen(t, environment, subscription, variables) {
  const heard = new Heard();
  const take = value => heard.push(value);
  const listening = requestSubscription(environment, { subscription, variables, onNext: take, onError: take });
  t.after(() => listening.dispose());
  return heard;
}

const mutate = (environment, mutation, variables) =>
  new Promise((onCompleted, onError) => commitMutation(environment, { mutation, variables, onCompleted, onError }));

test('Relay: objects reached by several paths are one in the store', async () => {
  const { contact, ids } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const environment = connect(url, { fetch });
  for (const id of ids) await fetchQuery(environment, threads.thread, { id, first: 0 }).toPromise();
  const store = environment.getStore().getSource();
  for (const id of ids) assert.equal(store.get(id).contact.__ref, contact.id);
  const data = await fetchQuery(environment, inbox.contact, { id: contact.id }, { fetchPolicy: 'store-or-network' }).toPromise();
  assert.equal(data.contact.email, contact.email);
  assert.deepEqual(calls, ['ThreadQuery', 'ThreadQuery']);
});

test('Relay: pages of conversations make one connection', async () => {
  const { conversations } = await ask('{ conversations(status: [CLOSED], first: 10) { nodes { id } } }');
  const environment = connect(url);
  const first = await fetchQuery(environment, inbox.inbox, { status: ['CLOSED'], first: 5 }).toPromise();
  assert.equal(first.conversations.edges.length, 5);
  const data = await fetchQuery(environment, inbox.inbox, { status: ['CLOSED'], first: 5, after: first.conversations.pageInfo.endCursor }).toPromise();
  assert.deepEqual(ids(data.conversations), conversations.nodes.map(({ id }) => id));
});

test('Relay: pages of messages make one connection', async () => {
  const id = await conversationOf(6);
  const { conversation } = await ask('query ($id: ID!) { conversation(id: $id) { messages(first: 6) { nodes { id } } } }', { id });
  const environment = connect(url);
  let messages, after;
  for (const length of [2, 4, 6]) {
    ({ conversation: { messages } } = await fetchQuery(environment, threads.thread, { id, first: 2, after }).toPromise());
    assert.equal(messages.edges.length, length);
    after = messages.pageInfo.endCursor;
  }
  assert.deepEqual(ids(messages), conversation.messages.nodes.map(({ id }) => id));
});

test('Relay: what failed is told in its place, and the rest is there', async () => {
  const { viewer, conversation } = await fetchQuery(connect(url), inbox.partly, { id: 'Contact:1' }).toPromise();
  assert.equal(viewer.caller, 'anonymous');
  assert.deepEqual(conversation, { ok: false, errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
});

test('Relay: a contact that is changed changes in every view', async t => {
  const { contact, ids } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const environment = connect(url, { fetch });
  const views = [];
  for (const id of ids) views.push(await show(t, environment, threads.thread, { id, first: 0 }));
  const phone = `+1 ${randomUUID()}`;
  const { updateContact } = await mutate(environment, inbox.updateContact, { input: { id: contact.id, attributes: { phone } } });
  assert.deepEqual(updateContact.userErrors, []);
  for (const { heard } of views) await heard.first(({ conversation }) => conversation.contact.phone === phone);
  assert.deepEqual(calls, ['ThreadQuery', 'ThreadQuery', 'InboxUpdateContactMutation']);
});

test('Relay: a user that is changed changes in every view', async t => {
  const { fetch, calls } = recorder();
  const environment = connect(url, { fetch });
  const { heard, data } = await show(t, environment, inbox.agents, {});
  const { id } = data.users.edges[0].node;
  const alias = `Agent ${randomUUID()}`;
  await mutate(environment, inbox.updateUser, { input: { id, alias } });
  await heard.first(({ users }) => users.edges[0].node.alias === alias);
  assert.deepEqual(calls, ['InboxAgentsQuery', 'InboxUpdateUserMutation']);
});

test('Relay: what can be mended in an input is data', async () => {
  const { contact } = await twoOfOneContact();
  const { updateContact } = await mutate(connect(url), inbox.updateContact, { input: { id: contact.id, attributes: {} } });
  assert.equal(updateContact.contact, null);
  const [{ code, field, message }] = updateContact.userErrors;
  assert.deepEqual({ code, field }, { code: 'REQUIRED', field: ['input', 'attributes'] });
  assert.ok(message);
});

test('Relay: a message that is sent is shown once', async t => {
  const { id } = await say('Can we begin?');
  const { fetch, calls } = recorder();
  const environment = connect(url, { fetch });
  const connections = [threads.messagesOf(id)];
  const { heard, data } = await show(t, environment, threads.thread, { id, first: 50 });
  const added = listen(t, environment, threads.messageAdded, { conversationId: id, connections });
  await added.after(() => say('Shall we?', id), () => true); // now the gateway listens
  const input = { conversationId: id, body: 'Yes' };
  const { sendMessage } = await mutate(environment, threads.sendMessage, { input, connections });
  const sent = sendMessage.message.id;
  await added.first(({ messageAdded }) => messageAdded?.id === sent);
  const { conversation } = await heard.first(({ conversation }) => ids(conversation.messages).includes(sent));
  const shown = ids(conversation.messages);
  assert.deepEqual(shown.slice(0, 1), ids(data.conversation.messages));
  assert.equal(new Set(shown).size, shown.length);
  assert.deepEqual(calls, ['ThreadQuery', 'ThreadSendMessageMutation']);
});

test('Relay: a contact that others change changes in every view', async t => {
  const { contact, ids: [one] } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const environment = connect(url, { fetch });
  const { heard } = await show(t, environment, threads.thread, { id: one, first: 0 });
  const phone = `+1 ${randomUUID()}`;
  const updated = listen(t, environment, inbox.contactUpdated, { contactId: contact.id });
  await updated.after(n => change(contact.id, { phone: `${phone} ${n}` }), data => data.contactUpdated?.phone?.startsWith(phone));
  await heard.first(({ conversation }) => conversation.contact.phone?.startsWith(phone));
  assert.deepEqual(calls, ['ThreadQuery']);
});

test('Relay: after its connection was cut, what it shows is right again', async t => {
  const line = await proxy(t);
  const { id } = await say('Are you there?');
  const variables = { id, first: 50 };
  const environment = connect(line.url, { onReconnect: () => fetchQuery(environment, threads.thread, variables).toPromise() });
  const { heard } = await show(t, environment, threads.thread, variables);
  const added = listen(t, environment, threads.messageAdded, { conversationId: id, connections: [threads.messagesOf(id)] });
  await added.after(() => say('Hello?', id), () => true);
  line.cut();
  const missed = `Missed ${randomUUID()}`;
  await say(missed, id);
  line.mend();
  const shows = body => ({ conversation }) => bodies(conversation.messages).some(text => text.includes(body));
  await heard.first(shows(missed));
  const later = `Heard ${randomUUID()}`;
  await added.after(() => say(later, id), data => data.messageAdded?.body.includes(later));
  await heard.first(shows(later));
});
