import type { Fetcher, FetcherParams } from '@graphiql/toolkit';
import type { Rest } from './rest';

/** What is told of an answer beside its text. */
export interface Answer {
  status: number; // of HTTP
  duration: number; // milliseconds, from the request to the last byte of the answer
  size: number; // bytes of the body, uncompressed
  rest?: Rest; // what it cost, if the gateway told
  refusal?: string; // why the query was not run: the message of the first error, if there is no data
}

const latest = new Map<string, Answer>(); // by the id of the tab
const listeners = new Set<() => void>();
let active = '';

/** The latest answer to an operation of the active tab, as a store for React. */
export const answers = {
  latest: () => latest.get(active),
  subscribe(listener: () => void) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  /** Says which tab is active, and forgets the answers of all that are not there any more. */
  open(tab = '', tabs: string[] = []) {
    active = tab;
    for (const id of latest.keys()) if (!tabs.includes(id)) latest.delete(id);
    listeners.forEach(listener => listener());
  },
};

function keep(tab: string, answer: Answer | undefined) {
  if (answer) latest.set(tab, answer);
  else latest.delete(tab);
  listeners.forEach(listener => listener());
}

type Headers = Record<string, string>;

/** The request header that asks what an operation costs Drift. */
const planHeader = 'Driftgraph-Plan';
const isPlanHeader = (name: string) => name.toLowerCase() === planHeader.toLowerCase();
const withoutPlan = (headers: Headers): Headers => Object.fromEntries(Object.entries(headers).filter(([name]) => !isPlanHeader(name)));

/** Posts an operation to the gateway that the page came from. */
const post = ({ query, variables, operationName }: FetcherParams, headers: Headers) =>
  fetch('graphql', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/graphql-response+json, application/json;q=0.9',
      ...headers,
    },
    body: JSON.stringify({
      query,
      variables,
      // For a moment after a change of tabs, GraphiQL gives the name of an operation in the tab before.
      operationName: new RegExp(`\\b(query|mutation|subscription)\\s+${operationName}\\b`).test(query) ? operationName : undefined,
    }),
  });

/** Reads an answer; one that is not JSON is an error. */
async function read(response: Response) {
  const text = await response.text();
  try {
    return { text, body: JSON.parse(text) };
  } catch {
    throw new Error(`The answer is not JSON: ${response.status} ${response.statusText}\n${text.slice(0, 1000)}`);
  }
}

/**
 * Sends an operation and keeps what is told of its answer. It asks for the plan, which the returned answer has only if the caller's own headers ask
 * for one: the answer is what an application with these headers would get.
 */
export const fetcher: Fetcher = async (params, options) => {
  const headers: Headers = options?.headers ?? {};
  if (params.operationName === 'IntrospectionQuery') return (await read(await post(params, withoutPlan(headers)))).body; // a dry run has no schema

  const tab = active;
  const adds = !Object.keys(headers).some(isPlanHeader);
  const start = performance.now();
  try {
    const response = await post(params, adds ? { ...headers, [planHeader]: 'full' } : headers);
    const { text, body } = await read(response);
    const duration = performance.now() - start;
    const rest: Rest | undefined = body?.extensions?.rest;
    if (adds && rest) {
      delete body.extensions.rest;
      if (Object.keys(body.extensions).length === 0) delete body.extensions;
    }
    const size = new Blob([adds && rest ? JSON.stringify(body) : text]).size;
    keep(tab, { status: response.status, duration, size, rest, refusal: body.data ? undefined : body.errors?.[0]?.message });
    return body;
  } catch (error) {
    keep(tab, undefined);
    throw error;
  }
};

/** Asks what an operation would cost, without running it. Throws an error with the gateway's reason if it has no answer to that. */
export async function predict(params: FetcherParams, headers: Headers = {}) {
  const { body } = await read(await post(params, { ...withoutPlan(headers), [planHeader]: 'dry-run' }));
  const rest: Rest | undefined = body?.extensions?.rest;
  if (!rest || !('predicted' in rest)) throw new Error(body.errors?.[0]?.message ?? 'The gateway gave no prediction.');
  return rest;
}
