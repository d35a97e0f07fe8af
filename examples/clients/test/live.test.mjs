// The two transports of subscriptions with nothing above them: graphql-ws and graphql-sse.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { contactUpdated, messageAdded } from '../operations.mjs';
import * as sse from '../sse.mjs';
import * as ws from '../ws.mjs';
import { change, Heard, proxy, say, twoOfOneContact, url } from './gateway.mjs';

for (const [name, { connect }] of Object.entries({ 'graphql-ws': ws, 'graphql-sse': sse })) {
  // Listens, and returns what is heard.
  const listen = (t, client, query, variables) => {
    const heard = new Heard();
    const take = value => heard.push(value);
    const stop = client.subscribe({ query, variables }, { next: take, error: take, complete: () => take('complete') });
    t.after(stop);
    return heard;
  };

  test(`${name}: messages of one conversation are heard, and no others`, async t => {
    const [one, other] = [await say('One'), await say('Other')];
    const client = connect(url);
    const heard = listen(t, client, messageAdded, { conversationId: one.id });
    const all = listen(t, client, messageAdded, {});
    await all.after(() => say('Now?', other.id), ({ data }) => data?.messageAdded?.conversation.id === other.id);
    const body = `Hello ${randomUUID()}`;
    const { data } = await heard.after(() => say(body, one.id), ({ data }) => data.messageAdded?.body.includes(body));
    assert.equal(data.messageAdded.conversation.id, one.id);
    assert.deepEqual(heard.all.filter(({ data }) => data.messageAdded?.conversation.id !== one.id), []);
  });

  test(`${name}: a change of a contact is heard`, async t => {
    const { contact } = await twoOfOneContact();
    const heard = listen(t, connect(url), contactUpdated, { contactId: contact.id });
    const phone = `+1 ${randomUUID()}`;
    const { data } = await heard.after(n => change(contact.id, { phone: `${phone} ${n}` }), ({ data }) => data?.contactUpdated?.phone?.startsWith(phone));
    assert.equal(data.contactUpdated.id, contact.id);
  });

  test(`${name}: an argument that is wrong is refused with its code`, async t => {
    const heard = listen(t, connect(url), messageAdded, { conversationId: 'Contact:1' });
    const refused = await heard.first(() => true);
    const [{ extensions }] = refused.errors ?? refused;
    assert.equal(extensions.code, 'BAD_USER_INPUT');
  });

  test(`${name}: after it was cut off, it listens again, and says so`, async t => {
    const line = await proxy(t);
    const { id } = await say('Are you there?');
    const reconnects = new Heard();
    const heard = listen(t, connect(line.url, { onReconnect: () => reconnects.push(true) }), messageAdded, { conversationId: id });
    await heard.after(() => say('Hello?', id), ({ data }) => data?.messageAdded);
    line.cut();
    line.mend();
    await reconnects.first(() => true);
    const body = `Again ${randomUUID()}`;
    await heard.after(() => say(body, id), ({ data }) => data?.messageAdded?.body.includes(body));
  });
}
