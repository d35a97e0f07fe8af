// The playground in a real browser, on a gateway that runs at DRIFTGRAPH_URL: npm test.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { answer, launch, open, ready, run, write } from './browser.mjs';

const readme = new URL('../../testdata/readme/', import.meta.url);
const examples = readdirSync(readme)
  .filter(name => name.endsWith('.graphql'))
  .sort()
  .map(name => /^(?:query|mutation|subscription)\s+(\w+)/m.exec(readFileSync(new URL(name, readme), 'utf8'))[1]);

let browser, page;
before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => (page = await open(browser)));
afterEach(async () => {
  await page.context().close();
  assert.deepEqual(page.faults, []);
});

const titles = () => page.getByRole('tab').allInnerTexts();

/** Waits until so many tabs are written down, for the next visit. */
const tabsKept = (page, count) =>
  page.waitForFunction(count => JSON.parse(localStorage.getItem('driftgraph:tabState') ?? '{}').tabs?.length === count, count);

const tab = name => page.getByRole('tab').getByRole('button', { name, exact: true });

test('the tabs of a first visit are the queries of the README, and the subscription', async () => {
  assert.notEqual(examples.length, 0);
  assert.deepEqual(await titles(), [...examples, 'Live']);
});

test('the run button answers the first query', async () => {
  await run(page);
  const { data, errors } = await answer(page);
  assert.equal(errors, undefined);
  assert.ok(Object.values(data)[0]);
  await page.locator('.status .ok').waitFor();
});

test('Ctrl-Enter answers the first query', async () => {
  await page.locator('.graphiql-query-editor .view-line').first().click();
  await page.keyboard.press('Control+Enter');
  const { data, errors } = await answer(page);
  assert.equal(errors, undefined);
  assert.ok(data);
});

test('every query of the README is answered without an error', async () => {
  for (const name of examples) {
    await tab(name).click();
    await run(page);
    const { data, errors } = await answer(page);
    assert.equal(errors, undefined, name);
    assert.ok(data, name);
  }
});

test('the documentation knows the type Conversation', async () => {
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.locator('.graphiql-doc-explorer').getByText('Query', { exact: true }).first().waitFor(); // the schema is there
  await page.getByRole('combobox').fill('Conversation');
  await page.getByRole('option', { name: 'Conversation', exact: true }).click();
  await page.locator('.graphiql-doc-explorer-title', { hasText: /^Conversation$/ }).waitFor();
  await page.locator('.graphiql-doc-explorer').getByText('participants').first().waitFor();
});

test('an unknown field is marked and a known one is proposed', async () => {
  await write(page, 'operation.graphql', '{ conversationz }');
  await page.locator('.squiggly-error').first().waitFor();
  await page.locator('.graphiql-query-editor .view-line').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('{ conversationSt');
  await page.locator('.suggest-widget').getByText('conversationStats').first().waitFor();
});

test('headers are sent', async () => {
  await write(page, 'request-headers.json', '{ "Driftgraph-Plan": "summary" }');
  const [request] = await Promise.all([page.waitForRequest(/graphql$/), run(page)]);
  assert.equal(request.headers()['driftgraph-plan'], 'summary');
  await answer(page);
});

test('prettify lays out the query and its variables', async () => {
  await write(page, 'operation.graphql', 'query   A($id:ID!){conversation(id:$id){id}}');
  await write(page, 'variables.json', '{"id":"1"}');
  await page.getByRole('button', { name: /^Prettify/ }).click();
  await page.locator('.graphiql-query-editor .view-line').nth(4).waitFor();
  await page.waitForFunction(() => globalThis.__MONACO.editor.getModels().some(model => model.getValue() === '{\n  "id": "1"\n}'));
});

test('the next visit finds the tabs as they were left, and the examples can be had again', async () => {
  const [first] = examples;
  await page.getByRole('button', { name: 'Close Tab' }).first().click();
  await tabsKept(page, examples.length); // GraphiQL writes them down after half a second, on a machine that is not busy
  await page.reload();
  await ready(page);
  assert.deepEqual(await titles(), [...examples.slice(1), 'Live']);

  await page.getByRole('button', { name: 'Examples' }).click();
  await page.getByRole('menuitem', { name: first }).click();
  await tab(first).waitFor();
  await run(page);
  assert.ok((await answer(page)).data);
});

test('a picture in an answer is not fetched', async () => {
  await write(page, 'response.json', '{ "avatarUrl": "https://elsewhere.example/avatar.png" }');
  await page.getByText('avatar.png').hover();
  await page.waitForTimeout(1500); // GraphiQL would show it after half a second
});

test('all that the editor can show keeps to the policy', async () => {
  const editor = page.locator('.graphiql-query-editor');
  await editor.locator('.view-line').first().click();
  await page.keyboard.press('Control+F');
  await editor.locator('.find-widget.visible').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('F1');
  await page.locator('.quick-input-widget').first().waitFor();
  await page.keyboard.press('Escape');
  await editor.locator('.view-line').first().click({ button: 'right' });
  await page.locator('.shadow-root-host').first().waitFor({ state: 'attached' });
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Open settings dialog' }).click();
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
});

test('the policy is strict, and what violates it is noticed', async () => {
  const policy = (await page.reload()).headers()['content-security-policy'];
  const directives = Object.fromEntries(policy.split('; ').map(directive => directive.split(/ (.*)/)));
  assert.equal(directives['default-src'], "'none'");
  for (const directive of ['script-src', 'worker-src', 'connect-src', 'font-src']) assert.equal(directives[directive], "'self'");
  for (const directive of ['base-uri', 'form-action', 'frame-ancestors']) assert.equal(directives[directive], "'none'");
  await ready(page);
  assert.deepEqual(page.faults, []);
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'globalThis.injected = true';
    document.body.append(script);
    new Image().src = 'https://elsewhere.example/picture.png';
  });
  const noticed = directive => () => page.faults.some(fault => fault.includes(`the policy is violated: ${directive} `));
  for (const directive of ['script-src-elem', 'img-src'])
    for (let tries = 0; !noticed(directive)(); tries++) {
      assert.ok(tries < 300, `nobody notices what violates ${directive}: ${page.faults}`);
      await page.waitForTimeout(50);
    }
  assert.equal(await page.evaluate(() => globalThis.injected), undefined);
  page.faults.splice(0);
});

test('a page that cannot load says so', async () => {
  await page.route(/\/assets\/monaco-.*\.js$/, route => route.abort());
  await page.reload();
  await page.getByText('Driftgraph could not be loaded').waitFor();
  assert.notEqual(page.faults.splice(0).length, 0);
});
