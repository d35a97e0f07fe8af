import type { Fetcher, FetcherParams } from '@graphiql/toolkit';
import { Kind, parse } from 'graphql';
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
const post = ({ query, variables, operationName }: FetcherParams, headers: Headers, signal?: AbortSignal) =>
  fetch('graphql', {
    method: 'POST',
    signal,
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

/** Reports whether an operation is a subscription. A document that cannot be parsed is left to the gateway to complain of. */
function isSubscription({ query, operationName }: FetcherParams) {
  try {
    const operations = parse(query).definitions.filter(d => d.kind === Kind.OPERATION_DEFINITION);
    const operation = operations.find(o => o.name?.value === operationName) ?? operations[0];
    return operation?.operation === 'subscription';
  } catch {
    return false;
  }
}

/** Takes the plan out of a result unless the caller asked for it. */
function takeRest(body: any, adds: boolean): Rest | undefined {
  const rest: Rest | undefined = body?.extensions?.rest;
  if (adds && rest) {
    delete body.extensions.rest;
    if (Object.keys(body.extensions).length === 0) delete body.extensions;
  }
  return rest;
}

/** Subscribes by server-sent events. Each result is told as it comes, until the stream ends or the one who listens does. */
function subscribe(params: FetcherParams, headers: Headers): AsyncIterable<any> {
  const tab = active;
  const adds = !Object.keys(headers).some(isPlanHeader);
  const controller = new AbortController();
  async function* results() {
    try {
      const response = await post(params, { ...headers, ...(adds && { [planHeader]: 'full' }), Accept: 'text/event-stream' }, controller.signal);
      if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
        yield (await read(response)).body;
        return;
      }
      const start = performance.now();
      let text = '';
      for (const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
        const { value, done } = await reader.read();
        if (done) return;
        const events = (text + value).split('\n\n');
        text = events.pop()!;
        for (const event of events) {
          const data = /^event: next\ndata: (.*)$/.exec(event)?.[1];
          if (!data) continue; // a sign of life, or the end
          const body = JSON.parse(data);
          const rest = takeRest(body, adds);
          keep(tab, { status: response.status, duration: rest && 'durationMs' in rest ? rest.durationMs : performance.now() - start, size: data.length, rest });
          yield body;
        }
      }
    } catch (error) {
      if (!controller.signal.aborted) throw error;
    }
  }
  const iterator = results();
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => iterator.next(),
      return() {
        controller.abort(); // the one who waits for a result is told that there is none
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
}

/**
 * Sends an operation and keeps what is told of its answer. It asks for the plan, which the returned answer has only if the caller's own headers ask
 * for one: the answer is what an application with these headers would get.
 */
export const fetcher: Fetcher = async (params, options) => {
  const headers: Headers = options?.headers ?? {};
  if (params.operationName === 'IntrospectionQuery') return (await read(await post(params, withoutPlan(headers)))).body; // a dry run has no schema

  if (isSubscription(params)) return subscribe(params, headers);

  const tab = active;
  const adds = !Object.keys(headers).some(isPlanHeader);
  const start = performance.now();
  try {
    const response = await post(params, adds ? { ...headers, [planHeader]: 'full' } : headers);
    const { text, body } = await read(response);
    const duration = performance.now() - start;
    const rest = takeRest(body, adds);
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
