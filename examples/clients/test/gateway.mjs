// What the tests of every client share. The gateway runs at DRIFTGRAPH_URL, on its embedded sandbox.
import { randomUUID } from 'node:crypto';
import { createServer, connect } from 'node:net';
import { WebSocket } from 'ws';

globalThis.WebSocket ??= WebSocket; // Node has one of its own from version 22 on

const gateway = new URL(process.env.DRIFTGRAPH_URL ?? 'http://127.0.0.1:8080');
export const url = new URL('/graphql', gateway).href;

/** Asks the gateway without any of the clients, and returns the data. */
export async function ask(query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Returns a fetch, and the names of the operations that went through it, in their order. */
export function recorder() {
  const calls = [];
  return {
    calls,
    fetch(input, init) {
      const asked = init.body ? JSON.parse(init.body) : Object.fromEntries(new URL(input).searchParams);
      calls.push(asked.operationName);
      return fetch(input, init);
    },
  };
}

/** Returns two conversations with the same contact, who has an e-mail address. */
export async function twoOfOneContact() {
  const { conversations } = await ask('{ conversations(status: [CLOSED], first: 100) { nodes { id contact { id name email } } } }');
  const met = new Map();
  for (const { id, contact } of conversations.nodes) {
    if (!contact?.email) continue;
    if (met.has(contact.id)) return { contact, ids: [met.get(contact.id), id] };
    met.set(contact.id, id);
  }
  throw new Error('no contact has two conversations');
}

/** Returns the id of a conversation with at least this many messages. */
export async function conversationOf(least) {
  const { conversations } = await ask(
    'query ($n: Int!) { conversations(status: [CLOSED], first: 50) { nodes { id messages(first: $n) { nodes { id } } } } }', { n: least });
  return conversations.nodes.find(({ messages }) => messages.nodes.length === least).id;
}

/** Says something as the organisation's bot, in a conversation of its own unless one is given, and returns the conversation. */
export async function say(body, id) {
  if (id) {
    const { sendMessage } = await ask(
      'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { userErrors { message } } }',
      { input: { conversationId: id, body } });
    agree(sendMessage);
    return { id };
  }
  const { startConversation } = await ask(
    'mutation ($input: StartConversationInput!) { startConversation(input: $input) { conversation { id } userErrors { message } } }',
    { input: { email: `${randomUUID()}@example.com`, body } });
  agree(startConversation);
  return startConversation.conversation;
}

/** Sets attributes of a contact. */
export async function change(id, attributes) {
  const { updateContact } = await ask(
    'mutation ($input: UpdateContactInput!) { updateContact(input: $input) { userErrors { message } } }',
    { input: { id, attributes } });
  agree(updateContact);
}

function agree({ userErrors }) {
  if (userErrors.length) throw new Error(JSON.stringify(userErrors));
}

const patience = 20_000; // milliseconds for what a test waits for, far more than it takes

/** What was heard, and promises of what will be. */
export class Heard {
  all = [];
  #waiting = new Set();

  push(value) {
    this.all.push(value);
    for (const check of this.#waiting) check(value);
  }

  /** Resolves to the first value, heard already or not yet, that the predicate takes. */
  first(predicate) {
    const already = this.all.find(predicate);
    if (already) return Promise.resolve(already);
    return new Promise((resolve, reject) => {
      const check = value => {
        if (!predicate(value)) return;
        clearTimeout(late);
        this.#waiting.delete(check);
        resolve(value);
      };
      const late = setTimeout(() => reject(new Error(`not heard: ${predicate}, but ${JSON.stringify(this.all)}`)), patience);
      this.#waiting.add(check);
    });
  }

  /**
   * Acts until a value that the predicate takes is heard, and returns it: no client is told when the gateway has begun to
   * listen for it, so the first acts can come too early. Each is given its number, to change something in its turn.
   */
  async after(act, predicate) {
    let timer, count = 0;
    const failed = new Promise((_, reject) => {
      const again = () => {
        act(++count).catch(reject);
        timer = setTimeout(again, 300);
      };
      again();
    });
    try {
      return await Promise.race([this.first(predicate), failed]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Puts a TCP proxy before the gateway until the test ends, whose connections can be cut. */
export async function proxy(t) {
  const sockets = new Set();
  let open = true;
  const server = createServer(near => {
    if (!open) return near.destroy();
    const far = connect(gateway.port, gateway.hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on('error', () => {}).on('close', () => (sockets.delete(one), other.destroy())).pipe(other);
    }
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    open = false;
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => (cut(), server.close()));
  return {
    url: `http://127.0.0.1:${server.address().port}/graphql`,
    /** Ends all connections, and refuses new ones. */
    cut,
    /** Takes connections again. */
    mend: () => (open = true),
  };
}
