// The playground on a gateway that asks who calls, which the test starts: npm test. DRIFTGRAPH_BINARY names the program.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { answer, launch, open, run, write } from './browser.mjs';

const root = new URL('../..', import.meta.url);
const [program, ...words] = process.env.DRIFTGRAPH_BINARY ? [process.env.DRIFTGRAPH_BINARY] : ['go', 'run', '.'];
const folder = mkdtempSync(join(tmpdir(), 'driftgraph-'));
const keys = join(folder, 'keys');

let gateway, at, key, browser;
before(async () => {
  key = execFileSync(program, [...words, 'key', '--name=somebody', '--permissions=contact_read', `--auth-keys-file=${keys}`], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  gateway = spawn(program, words, { cwd: root, env: { ...process.env, LISTEN_ADDR: '127.0.0.1:0', AUTH: 'api-key', AUTH_KEYS_FILE: keys }, stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface(gateway.stdout)) {
    at = /^ *Playground +(http\S+)/.exec(line)?.[1];
    if (at) break;
  }
  browser = await launch();
});
after(async () => {
  await browser?.close();
  gateway?.kill();
  rmSync(folder, { recursive: true });
});

test('the key that is typed as a header is sent, and kept nowhere', async () => {
  const page = await open(browser, { at });
  await write(page, 'operation.graphql', '{ viewer { caller } }');
  await run(page);
  assert.equal((await answer(page)).errors[0].extensions.code, 'UNAUTHENTICATED');

  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  await page.locator('.graphiql-editor-tool .view-line:visible').first().click();
  await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${key}` }));
  const [request] = await Promise.all([page.waitForRequest(/graphql$/), run(page)]);
  assert.equal(request.headers().authorization, `Bearer ${key}`);
  await page.locator('.status .ok').waitFor();
  assert.deepEqual(await answer(page), { data: { viewer: { caller: 'somebody' } } });

  await page.waitForTimeout(1000); // GraphiQL writes the tabs down after half a second
  assert.doesNotMatch(await page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])), new RegExp(key));
  assert.deepEqual(
    page.faults.filter(fault => !/401/.test(fault)), // before the key is typed
    [],
  );
  await page.context().close();
});
