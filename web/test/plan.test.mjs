// The REST plan in a real browser, on a gateway that runs at DRIFTGRAPH_URL: npm test.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { answer, ask, launch, open, ready, run, write } from './browser.mjs';

let browser, page;
before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => (page = await open(browser)));
afterEach(async () => {
  await page.context().close();
  assert.deepEqual(
    page.faults.filter(fault => !page.expected?.test(fault)),
    [],
  );
});

const panel = () => page.getByRole('region', { name: 'REST plan' });
const figure = () => panel().locator('.figure');
const rows = () => panel().getByRole('treeitem');
const row = name => panel().getByRole('treeitem', { name });
const refusal = /^400 for |status of 400/; // of a query that is not valid: the answer, and what the browser says of it
const counts = async () =>
  Object.fromEntries(
    await panel()
      .locator('.counts > div')
      .evaluateAll(counts => counts.map(({ children: [name, value] }) => [name.innerText, value.innerText])),
  );

/** Waits for an answer to anything but the introspection, which may still be under way. */
const answered = () =>
  page.waitForResponse(response => response.url().endsWith('/graphql') && response.request().postDataJSON().operationName !== 'IntrospectionQuery');

/** Runs what is in the editors and returns extensions.rest as the gateway sent it. */
async function cost() {
  const [response] = await Promise.all([answered(), run(page)]);
  const { extensions } = await response.json();
  await answer(page);
  await page.locator('.status > :first-child:is(.ok, .failed)').waitFor();
  return extensions?.rest;
}

/** Puts a query in the editors that needs twenty conversations which are hardly cached yet: by ids, picked from all but the latest. */
async function writeSeldom() {
  const ids = [];
  let after = null;
  do {
    const query = 'query ($after: String) { conversations(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }';
    const { nodes, pageInfo } = (await ask({ query, variables: { after } })).data.conversations;
    ids.push(...nodes.map(({ id }) => id));
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after);
  const picked = ids
    .slice(100)
    .sort(() => Math.random() - 0.5)
    .slice(0, 20);
  await write(
    page,
    'operation.graphql',
    'query Seldom($ids: [ID!]!) { nodes(ids: $ids) { ... on Conversation { contact { name } messages(first: 5) { nodes { body } } } } }',
  );
  await write(page, 'variables.json', JSON.stringify({ ids: picked }));
}

test('a first visit has the panel open, and a later one as it was left', async () => {
  await panel().getByText('Run a query to see').waitFor();
  await page.getByRole('button', { name: 'Hide REST plan' }).click();
  await panel().waitFor({ state: 'detached' });
  await page.waitForFunction(() => localStorage.getItem('driftgraph:tabState')); // GraphiQL writes it down after half a second
  await page.reload();
  await ready(page);
  assert.equal(await panel().count(), 0);
});

test('a small page has the panel closed, and what the answer cost opens it', async () => {
  const small = await open(browser, { viewport: { width: 1000, height: 700 } });
  assert.equal(await small.locator('.plan').count(), 0);
  await run(small);
  await small.locator('.cost').click();
  await small.locator('.plan .figure').waitFor();
  await small.locator('.cost').click();
  await small.locator('.plan').waitFor({ state: 'detached' });
  assert.deepEqual(small.faults, []);
  await small.context().close();
});

test('the panel tells what the answer cost, and the answer is clean', async () => {
  const rest = await cost();
  const saved = rest.naiveCalls - rest.calls;
  assert.ok(saved > 0);
  assert.equal(await figure().innerText(), rest.calls > 0 ? `${saved} calls saved` : '0 calls');
  assert.match(await panel().locator('.headline').innerText(), new RegExp(`instead of ${rest.naiveCalls}`));
  const { Calls, Stale, Shared, Retries, 'From cache': cached } = await counts();
  assert.deepEqual([Calls, cached, Stale, Shared, Retries], [rest.calls, rest.cacheHits, rest.staleHits, rest.shared, rest.retries].map(String));
  assert.deepEqual(Object.keys(await answer(page)), ['data']);
});

test('a query whose records are all cached takes 0 calls', async () => {
  let rest = await cost();
  for (let again = 0; again < 5 && rest.calls > 0; again++) rest = await cost(); // what is cached may become too old between two runs
  const { calls, cacheHits, plan } = rest;
  assert.equal(calls, 0);
  assert.ok(cacheHits > 0);
  assert.equal(await figure().innerText(), '0 calls');
  await panel()
    .getByText(/^All from cache, instead of 551 calls$/)
    .waitFor();
  assert.equal(await rows().count(), plan.length);
  assert.match(await rows().last().innerText(), /records? from (memory|Redis)/);
});

test('calls that are alike are one row, which opens', async () => {
  await writeSeldom();
  const { plan } = await cost();
  const alike = plan.filter(({ route, source }) => route === '/conversations/{id}/messages' && source === 'NETWORK');
  assert.ok(alike.length > 1, 'nearly all of the conversations were cached');

  const group = row(new RegExp(`^${alike.length} calls GET /conversations/\\{id\\}/messages, `));
  const closed = await rows().count();
  assert.ok(closed < plan.length);
  assert.equal(await group.getAttribute('aria-expanded'), 'false');
  assert.equal((await group.locator('.track path').first().getAttribute('d')).match(/M/g).length, alike.length);
  await group.click();
  assert.equal(await rows().count(), closed + alike.length);
  await row(new RegExp(`^Step ${alike[0].id}, `)).waitFor();
  await group.click();
  assert.equal(await rows().count(), closed);
});

test('the keys of a tree move through the rows', async () => {
  await writeSeldom();
  await cost();
  const names = await rows().evaluateAll(rows => rows.map(row => row.ariaLabel));
  const focused = () => page.evaluate(() => document.activeElement.ariaLabel);
  await panel().getByRole('button', { name: 'Dry run' }).focus();
  await page.keyboard.press('Tab');
  assert.equal(await focused(), names[0]);
  await page.keyboard.press('End');
  assert.equal(await focused(), names.at(-1));
  await page.keyboard.press('Home');
  for (const name of names) {
    assert.equal(await focused(), name);
    if (/^\d+ calls /.test(name)) break;
    await page.keyboard.press('ArrowDown');
  }
  const group = await focused();
  await page.keyboard.press('ArrowRight');
  await page.locator('[aria-expanded=true]').waitFor();
  await page.keyboard.press('ArrowRight');
  assert.match(await focused(), /^Step \d+, /);
  await page.keyboard.press('ArrowLeft');
  assert.equal(await focused(), group);
  await page.keyboard.press('Enter');
  await page.locator('[aria-expanded=true]').waitFor({ state: 'detached' });
});

test('the row that is looked at shows what it waited for', async () => {
  const { plan } = await cost(); // cached or not, contacts wait for the list
  const list = plan.find(({ route }) => route === '/conversations/list');
  assert.ok(plan.some(({ route, after }) => route === '/contacts/{id}' && after.includes(list.id)));
  const contacts = row(/ \/contacts\/\{id\}, .*after \/conversations\/list/).first(); // of those in the cache and those in Drift
  const causes = () =>
    panel()
      .locator('.cause')
      .evaluateAll(rows => rows.map(row => row.querySelector('.route').innerText));

  await contacts.hover();
  await panel().locator('.cause').waitFor();
  assert.deepEqual(await causes(), ['GET /conversations/list']);
  await page.mouse.move(1000, 450);
  await panel().locator('.cause').waitFor({ state: 'detached' });
  await contacts.focus();
  await panel().locator('.cause').waitFor();
  assert.deepEqual(await causes(), ['GET /conversations/list']);
});

test('a dry run tells the calls, and the answer stays', async () => {
  await cost();
  const { data } = await answer(page);
  const before = await figure().innerText();
  const [response] = await Promise.all([answered(), panel().getByRole('button', { name: 'Dry run' }).click()]);
  const { min, max } = (await response.json()).extensions.rest.predicted;
  assert.equal(response.request().headers()['driftgraph-plan'], 'dry-run');
  await panel().getByText(`Inbox would take ${min} to ${max} calls`).waitFor();
  assert.equal(await figure().innerText(), before);
  assert.deepEqual((await answer(page)).data, data);
});

test('a dry run of what is not a query says why', async () => {
  page.expected = refusal;
  await write(page, 'operation.graphql', '{ conversationz { id } }');
  await panel().getByRole('button', { name: 'Dry run' }).click();
  await panel().locator('.prediction.failed', { hasText: 'conversationz' }).waitFor();
  await write(page, 'variables.json', '{');
  await panel().getByRole('button', { name: 'Dry run' }).click();
  await panel().locator('.prediction.failed', { hasText: 'Variables are invalid JSON' }).waitFor();
});

test('the header of the headers editor wins', async () => {
  await write(page, 'request-headers.json', '{ "driftgraph-plan": "dry-run" }');
  const { min, max } = (await cost()).predicted;
  assert.equal(await figure().innerText(), `${min} to ${max} calls`);
  assert.deepEqual(await answer(page), { data: null, extensions: { rest: { predicted: { min, max } } } });

  await write(page, 'request-headers.json', '{ "Driftgraph-Plan": "summary" }');
  const rest = await cost();
  assert.equal(rest.plan, undefined);
  assert.deepEqual((await answer(page)).extensions, { rest });
  assert.equal((await counts()).Calls, `${rest.calls}`);
  assert.equal(await rows().count(), 0);
});

test('each tab has its own plan', async () => {
  const tab = name => page.getByRole('tab').getByRole('button', { name, exact: true });
  await cost();
  const inbox = await panel().locator('.headline').innerText();
  await tab('Agents').click();
  await panel().getByText('Run a query to see').waitFor();
  await cost();
  await figure().waitFor();
  await tab('Inbox').click();
  await panel().locator('.headline').waitFor();
  assert.equal(await panel().locator('.headline').innerText(), inbox);
});

test('a call for a record that is not there is not a failure, and nothing is saved by it', async () => {
  await write(page, 'operation.graphql', `{ contact(id: "${Date.now()}") { name } }`); // a new id each time, as an absence is cached too
  const { calls, naiveCalls } = await cost();
  assert.deepEqual([calls, naiveCalls], [1, 1]);
  assert.equal(await figure().innerText(), '1 call');
  await panel().getByText('None saved: one call for each object takes as many').waitFor();
  await row(/^GET \/contacts\/\{id\}, a record, .*not found: 404$/).waitFor();
  assert.deepEqual(await panel().getByRole('list', { name: 'Sources' }).getByRole('listitem').allInnerTexts(), ['Drift']);
});

test('a query that is refused has no plan, and the panel says why', async () => {
  page.expected = refusal;
  await cost();
  await write(page, 'operation.graphql', '{ conversationz { id } }');
  assert.equal(await cost(), undefined);
  assert.equal(await figure().innerText(), 'No plan');
  await panel()
    .getByText(/did not run the query: .*conversationz/)
    .waitFor();
  assert.equal(await rows().count(), 0);
});

test('a plan is asked for with queries, not with the introspection, which is never a dry run', async () => {
  const asked = [];
  page.on('request', request => {
    if (request.method() === 'POST') asked.push([request.postDataJSON().operationName, request.headers()['driftgraph-plan']]);
  });
  await page.reload();
  await ready(page);
  await cost();
  assert.deepEqual(asked, [
    ['IntrospectionQuery', undefined],
    ['Inbox', 'full'],
  ]);
  await write(page, 'request-headers.json', '{ "Driftgraph-Plan": "dry-run" }');
  await Promise.all([page.waitForResponse(/\/graphql$/), page.getByRole('button', { name: /^Re-fetch GraphQL schema/ }).click()]);
  assert.deepEqual(asked.slice(2), [['IntrospectionQuery', undefined]]);
});

// Such an answer cannot be had of the sandbox at will: hundreds of different steps, of all sources, some of which failed, and markup in a name.
test('a plan of five hundred steps is drawn, and nothing in it is markup', async () => {
  const sources = ['NETWORK', 'SHARED', 'L1', 'REDIS', 'STALE'];
  const plan = Array.from({ length: 500 }, (_, i) => ({
    id: i + 1,
    method: 'GET',
    route: i < 250 ? `/<img src=x onerror=alert(1)>/${i}` : '/contacts/{id}',
    keys: 1,
    source: i < 250 ? sources[i % 5] : 'NETWORK',
    status: i % 5 > 0 && i < 250 ? null : i % 100 === 0 ? 503 : 200,
    startMs: i,
    durationMs: 5,
    after: i < 250 ? (i > 0 ? [i] : []) : [250],
    ...(sources[i % 5] === 'STALE' && i < 250 && { ageMs: 2500 }),
  }));
  const rest = { calls: 300, naiveCalls: 200, cacheHits: 100, staleHits: 50, shared: 50, retries: 2, durationMs: 600, plan };
  await page.route(/\/graphql$/, route => route.fulfill({ json: { data: {}, extensions: { rest } } }));
  await cost();

  assert.equal(await figure().innerText(), '300 calls');
  await panel().getByText('None saved, with 2 retries: one call for each object would take 200').waitFor();
  assert.equal(await rows().count(), 251);
  await row(/^GET \/<img src=x onerror=alert\(1\)>\/0, .*failed: 503$/).waitFor();
  await row(/^250 calls GET \/contacts\/\{id\}, .*failed: 2 × 503$/).click();
  assert.equal(await rows().count(), 501);
  assert.equal(await panel().locator('img').count(), 0);
  assert.deepEqual(await panel().getByRole('list', { name: 'Sources' }).getByRole('listitem').allInnerTexts(), [
    'Drift',
    'another query’s call',
    'memory',
    'Redis',
    'stale cache',
    'failed',
  ]);
  await row(/^GET .*\/4, .*stale cache.*2\.50? s old/).waitFor();
  const overflow = await page.locator('.graphiql-plugin').evaluate(panel => panel.scrollWidth - panel.clientWidth);
  assert.ok(overflow <= 0, `${overflow} pixels are out of sight`);
});

test('what is left of Drift’s budget is drawn, where there is one', async () => {
  const budget = { remaining: 3, limit: 40, perSecond: 2.5 };
  const rest = await cost();
  assert.equal(rest.budget, undefined);
  assert.equal(await panel().locator('.budget').count(), 0);
  await page.route(/\/graphql$/, async route => {
    const response = await route.fetch();
    const json = await response.json();
    json.extensions.rest.budget = budget;
    await route.fulfill({ response, json });
  });
  const left = panel().locator('.budget');
  const share = () => left.locator('.share').evaluate(({ clientWidth, firstElementChild }) => firstElementChild.clientWidth / clientWidth);
  await cost();
  await left.getByText('3 calls of 40 left in Drift’s budget, 2.5 back each second').waitFor();
  assert.ok(Math.abs((await share()) - 3 / 40) < 0.02);
  assert.match(await left.getAttribute('class'), /low/);
  Object.assign(budget, { remaining: 40 });
  await cost();
  await left.getByText('40 calls of 40 left').waitFor();
  assert.equal(await share(), 1);
  assert.doesNotMatch(await left.getAttribute('class'), /low/);
});

test('both themes draw the panel in their colours', async () => {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await cost();
    await rows().first().waitFor();
    const { background, kinds } = await colours(await panel().screenshot());
    assert.ok(colorScheme === 'dark' ? background < 60 : background > 200, `${colorScheme}: the background is ${background} of 255 bright`);
    assert.ok(kinds > 20, `${colorScheme}: there are ${kinds} colours`);
  }
});

/** Measures a picture: how bright its most frequent colour is, from 0 to 255, and how many colours it has. */
async function colours(png) {
  const blank = await page.context().newPage();
  const measured = await blank.evaluate(async base64 => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
    const times = new Map();
    for (const pixel of pixels) times.set(pixel, (times.get(pixel) ?? 0) + 1);
    const [[most]] = [...times].sort(([, a], [, b]) => b - a);
    return { background: ((most & 255) + ((most >> 8) & 255) + ((most >> 16) & 255)) / 3, kinds: times.size };
  }, png.toString('base64'));
  await blank.close();
  return measured;
}
