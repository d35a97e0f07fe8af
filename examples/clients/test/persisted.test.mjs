// Apollo Client names its queries by their hashes: the first time it sends the text, too, then no more, and by GET.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { url } from './gateway.mjs';

function connect() {
  const sent = [];
  const record = (input, init) => {
    const asked = init.body ? JSON.parse(init.body) : Object.fromEntries(new URL(input).searchParams);
    sent.push(`${init.method} ${asked.query ? 'text' : 'hash'}`);
    return fetch(input, init);
  };
  const sha256 = text => createHash('sha256').update(text).digest('hex');
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.from([new PersistedQueryLink({ sha256, useGETForHashedQueries: true }), new HttpLink({ uri: url, fetch: record })]),
  });
  return { client, sent };
}

test('Apollo Client: a query is sent once, then named by its hash', async () => {
  const query = gql`query Q${randomUUID().replaceAll('-', '')} { viewer { caller } }`;
  const first = connect();
  const { data } = await first.client.query({ query, fetchPolicy: 'no-cache' });
  assert.equal(data.viewer.caller, 'anonymous');
  assert.deepEqual(first.sent, ['GET hash', 'POST text']);
  const second = connect();
  await second.client.query({ query, fetchPolicy: 'no-cache' });
  assert.deepEqual(second.sent, ['GET hash']);
});
