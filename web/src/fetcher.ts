import type { Fetcher } from '@graphiql/toolkit';

/** What is told below an answer. */
export interface Answer {
  status: number; // of HTTP
  duration: number; // milliseconds, from the request to the last byte of the answer
  size: number; // bytes of the body, uncompressed
}

let latest: Answer | undefined;
const listeners = new Set<() => void>();

/** The latest answer to an operation, as a store for React. */
export const answers = {
  latest: () => latest,
  subscribe(listener: () => void) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  set(answer: Answer | undefined) {
    latest = answer;
    listeners.forEach(listener => listener());
  },
};

/** Sends an operation to the gateway that the page came from. */
export const fetcher: Fetcher = async (params, options) => {
  const { query, variables, operationName } = params;
  const start = performance.now();
  const response = await fetch('graphql', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/graphql-response+json, application/json;q=0.9',
      ...options?.headers,
    },
    body: JSON.stringify({
      query,
      variables,
      // For a moment after a change of tabs, GraphiQL gives the name of an operation in the tab before.
      operationName: new RegExp(`\\b(query|mutation|subscription)\\s+${operationName}\\b`).test(query) ? operationName : undefined,
    }),
  });
  const text = await response.text();
  if (operationName !== 'IntrospectionQuery') {
    answers.set({ status: response.status, duration: performance.now() - start, size: new Blob([text]).size });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`The answer is not JSON: ${response.status} ${response.statusText}\n${text.slice(0, 1000)}`);
  }
};
