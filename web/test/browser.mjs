// Chromium on the playground of a running gateway, for the test and for the picture of the README.
import { chromium } from 'playwright-core';

const url = process.env.DRIFTGRAPH_URL ?? 'http://127.0.0.1:8080';

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

/** Opens the playground as a visitor who has never been there; page.faults collects what must not happen. */
export async function open(browser, { at = url, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  await context.addInitScript(() =>
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
      console.error(`the policy is violated: ${effectiveDirective} by ${blockedURI}`),
    ),
  );
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.faults = watch(page, at);
  await page.goto(at);
  await ready(page);
  return page;
}

/** Waits until a query can be run. */
export async function ready(page) {
  await page.locator('#skeleton').waitFor({ state: 'detached' });
  await page.locator('.graphiql-query-editor .view-line').first().waitFor();
}

export const run = page => page.getByRole('button', { name: /^Execute query/ }).click();

/** Waits for the answer and returns it: all of it, where the screen has only a part. */
export async function answer(page) {
  const text = await page.waitForFunction(() => {
    const models = globalThis.__MONACO.editor.getModels();
    return models.find(model => model.uri.path.endsWith('response.json')).getValue();
  });
  return JSON.parse(await text.jsonValue());
}

/** Replaces the text of an editor: 'operation.graphql', 'variables.json', 'request-headers.json' or 'response.json'. */
export const write = (page, file, text) =>
  page.evaluate(
    ([file, text]) => {
      const models = globalThis.__MONACO.editor.getModels();
      models.find(model => model.uri.path.endsWith(file)).setValue(text);
    },
    [file, text],
  );

/** Collects requests to another host, requests that fail, and whatever the browser complains of, such as the policy. */
function watch(page, at) {
  const faults = [];
  const { origin } = new URL(at);
  page.on('request', request => {
    const target = request.url();
    if (!target.startsWith(`${origin}/`) && !target.startsWith('data:')) faults.push(`request to ${target}`);
  });
  page.on('response', response => {
    if (response.status() >= 400) faults.push(`${response.status()} for ${response.url()}`);
  });
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', error => faults.push(`exception: ${error.stack}`));
  return faults;
}

/** Asks the gateway without the browser. */
export async function ask(operation) {
  const response = await fetch(new URL('graphql', url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(operation),
  });
  return response.json();
}
