import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { CombinedGraphQLErrors, gql } from '@apollo/client';
import * as apollo from '../apollo.mjs';
import { ask, change, conversationOf, Heard, proxy, recorder, say, twoOfOneContact, url } from './gateway.mjs';

const ids = connection => connection.edges.map(edge => edge.node.id);

// Shows a query, as a component would, and returns what it shows over time.
function show(t, client, query, variables) {
  const heard = new Heard();
  const list = client.watchQuery({ query, variables });
  const { unsubscribe } = list.subscribe(result => heard.push(result));
  t.after(() => client.stop());
  return { list, heard, first: heard.first(({ loading, data }) => !loading && data), unsubscribe };
}

// Listens, as a component would, and returns what is heard.
function listen(t, client, query, variables, each = () => {}) {
  const heard = new Heard();
  const listening = client.subscribe({ query, variables }).subscribe(({ data, error }) => {
    heard.push(data ?? error);
    each(data);
  });
  t.after(() => listening.unsubscribe());
  return heard;
}

test('Apollo: objects reached by several paths are one in the cache', async () => {
  const { contact, ids: [one, other] } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const client = apollo.connect(url, { fetch });
  for (const id of [one, other]) await client.query({ query: apollo.thread, variables: { id, first: 0 } });
  const cached = client.cache.extract();
  const ref = { __ref: `Contact:${contact.id}` };
  for (const id of [one, other]) assert.deepEqual(cached[`Conversation:${id}`].contact, ref);
  assert.deepEqual(Object.keys(cached).filter(key => key.startsWith('Contact:')), [ref.__ref]);

  const { data } = await client.query({ query: apollo.contact, variables: { id: contact.id } });
  assert.equal(data.contact.email, contact.email);
  assert.deepEqual(calls, ['Thread', 'Thread']);
});

test('Apollo: pages of conversations make one list', async t => {
  const { conversations } = await ask('{ conversations(status: [CLOSED], first: 10) { nodes { id } } }');
  const { fetch, calls } = recorder();
  const { list, heard, first } = show(t, apollo.connect(url, { fetch }), apollo.inbox, { status: ['CLOSED'], first: 5 });
  const page = (await first).data.conversations;
  assert.equal(page.edges.length, 5);
  await list.fetchMore({ variables: { after: page.pageInfo.endCursor } });
  const { data } = await heard.first(({ data }) => data?.conversations.edges.length > 5);
  assert.deepEqual(ids(data.conversations), conversations.nodes.map(({ id }) => id));
  assert.deepEqual(calls, ['Inbox', 'Inbox']);
});

test('Apollo: pages of messages make one list', async t => {
  const id = await conversationOf(6);
  const { conversation } = await ask('query ($id: ID!) { conversation(id: $id) { messages(first: 6) { nodes { id } } } }', { id });
  const { list, heard, first } = show(t, apollo.connect(url), apollo.thread, { id, first: 2 });
  let { messages } = (await first).data.conversation;
  for (const length of [4, 6]) {
    await list.fetchMore({ variables: { after: messages.pageInfo.endCursor } });
    const longer = await heard.first(({ data }) => data?.conversation.messages.edges.length === length);
    ({ messages } = longer.data.conversation);
  }
  assert.deepEqual(ids(messages), conversation.messages.nodes.map(({ id }) => id));
});

test('Apollo: an error has its code', async () => {
  const client = apollo.connect(url);
  await assert.rejects(client.query({ query: apollo.thread, variables: { id: 'Contact:1', first: 1 } }), error => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.equal(error.errors[0].extensions.code, 'BAD_USER_INPUT');
    assert.deepEqual(error.errors[0].path, ['conversation']);
    return true;
  });
});

test('Apollo: with errorPolicy all, what did not fail is there', async () => {
  const { data, error } = await apollo.connect(url).query({
    query: gql`query Partly { viewer { caller } conversation(id: "Contact:1") { id } }`,
    errorPolicy: 'all',
  });
  assert.equal(data.viewer.caller, 'anonymous');
  assert.equal(data.conversation, null);
  assert.deepEqual(error.errors.map(({ extensions }) => extensions.code), ['BAD_USER_INPUT']);
});

test('Apollo: a contact that is changed changes in every view', async t => {
  const { contact, ids: [one, other] } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const client = apollo.connect(url, { fetch });
  const views = [one, other].map(id => show(t, client, apollo.thread, { id, first: 0 }));
  for (const { first } of views) await first;
  const phone = `+1 ${randomUUID()}`;
  const { data } = await client.mutate({
    mutation: apollo.updateContact,
    variables: { input: { id: contact.id, attributes: { phone } } },
  });
  assert.deepEqual(data.updateContact.userErrors, []);
  for (const { heard } of views) await heard.first(({ data }) => data?.conversation.contact.phone === phone);
  assert.deepEqual(calls, ['Thread', 'Thread', 'UpdateContact']);
});

test('Apollo: a user that is changed changes in every view', async t => {
  const { fetch, calls } = recorder();
  const client = apollo.connect(url, { fetch });
  const { heard, first } = show(t, client, apollo.agents);
  const { id } = (await first).data.users.edges[0].node;
  const alias = `Agent ${randomUUID()}`;
  await client.mutate({ mutation: apollo.updateUser, variables: { input: { id, alias } } });
  await heard.first(({ data }) => data?.users.edges[0].node.alias === alias);
  assert.deepEqual(calls, ['Agents', 'UpdateUser']);
});

test('Apollo: what can be mended in an input is data', async () => {
  const { contact } = await twoOfOneContact();
  const { data, error } = await apollo.connect(url).mutate({
    mutation: apollo.updateContact,
    variables: { input: { id: contact.id, attributes: {} } },
  });
  assert.equal(error, undefined);
  assert.equal(data.updateContact.contact, null);
  const [{ code, field, message }] = data.updateContact.userErrors;
  assert.deepEqual({ code, field }, { code: 'REQUIRED', field: ['input', 'attributes'] });
  assert.ok(message);
});

test('Apollo: a message that is sent is shown once', async t => {
  const { id } = await say('Can we begin?');
  const { fetch, calls } = recorder();
  const client = apollo.connect(url, { fetch });
  const { heard, first } = show(t, client, apollo.thread, { id, first: 20 });
  const before = ids((await first).data.conversation.messages);
  const added = listen(t, client, apollo.messageAdded, { conversationId: id }, data => apollo.append(client.cache, data.messageAdded));
  const body = `Yes ${randomUUID()}`;
  await added.after(() => say('Shall we?', id), () => true); // now the gateway listens
  const { data } = await client.mutate({
    mutation: apollo.sendMessage,
    variables: { input: { conversationId: id, body } },
    update: (cache, { data }) => apollo.append(cache, data.sendMessage.message),
  });
  const sent = data.sendMessage.message.id;
  await heard.first(({ data }) => data && ids(data.conversation.messages).includes(sent));
  await added.first(data => data.messageAdded.id === sent);
  const shown = ids(client.readQuery({ query: apollo.thread, variables: { id, first: 20 } }).conversation.messages);
  assert.deepEqual(shown.slice(0, before.length), before);
  assert.equal(shown.filter(message => message === sent).length, 1);
  assert.deepEqual(calls, ['Thread', 'SendMessage']);
});

test('Apollo: a contact that others change changes in every view', async t => {
  const { contact, ids: [one] } = await twoOfOneContact();
  const { fetch, calls } = recorder();
  const client = apollo.connect(url, { fetch });
  const { heard, first } = show(t, client, apollo.thread, { id: one, first: 0 });
  await first;
  const phone = `+1 ${randomUUID()}`;
  const updated = listen(t, client, apollo.contactUpdated, { contactId: contact.id });
  await updated.after(n => change(contact.id, { phone: `${phone} ${n}` }), data => data.contactUpdated?.phone?.startsWith(phone));
  await heard.first(({ data }) => data?.conversation.contact.phone?.startsWith(phone));
  assert.deepEqual(calls, ['Thread']);
});

test('Apollo: after its connection was cut, what it shows is right again', async t => {
  const line = await proxy(t);
  const { id } = await say('Are you there?');
  const client = apollo.connect(line.url);
  const { heard, first } = show(t, client, apollo.thread, { id, first: 50 });
  await first;
  const added = listen(t, client, apollo.messageAdded, { conversationId: id }, data => apollo.append(client.cache, data.messageAdded));
  await added.after(() => say('Hello?', id), () => true);
  line.cut();
  const missed = `Missed ${randomUUID()}`;
  await say(missed, id);
  line.mend();
  const shows = body => ({ data }) => data?.conversation.messages.edges.some(({ node }) => node.body?.includes(body));
  await heard.first(shows(missed));
  const later = `Heard ${randomUUID()}`;
  await added.after(() => say(later, id), data => data.messageAdded.body?.includes(later));
  await heard.first(shows(later));
});
