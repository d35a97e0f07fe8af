// Relay's runtime: its store, its network over HTTP, and its subscriptions over WebSocket.
import { Environment, Network, Observable, RecordSource, ROOT_TYPE, Store } from 'relay-runtime';
import { connect as connectSocket } from '../ws.mjs';

// A look-up by global id finds what another query has brought.
const byId = new Set(['contact', 'conversation', 'node', 'user']);
const missingFieldHandlers = [{
  kind: 'linked',
  handle: (field, parent, args) => (parent?.getType() === ROOT_TYPE && byId.has(field.name) ? args.id : undefined),
}];

/** Returns an environment on the gateway whose address is given. */
export function connect(url, { fetch = globalThis.fetch, ...socketOptions } = {}) {
  const socket = connectSocket(url, socketOptions);
  const ask = async ({ name, text }, variables) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json, application/json' },
      body: JSON.stringify({ operationName: name, query: text, variables }),
    });
    return response.json();
  };
  const listen = ({ name, text }, variables) =>
    Observable.create(sink => socket.subscribe({ operationName: name, query: text, variables }, sink));
  return new Environment({ network: Network.create(ask, listen), store: new Store(new RecordSource()), missingFieldHandlers });
}
