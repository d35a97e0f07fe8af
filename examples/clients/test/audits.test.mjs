// Whether the gateway speaks GraphQL over HTTP, by the audits of graphql-http: what it must, should and may do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverAudits } from 'graphql-http';
import { url } from './gateway.mjs';

for (const audit of serverAudits({ url })) {
  test(`GraphQL over HTTP: ${audit.id} ${audit.name}`, async () => {
    const { status, reason } = await audit.fn();
    assert.equal(status, 'ok', reason);
  });
}
