// Subscriptions as server-sent events with graphql-sse: plain HTTP, one connection for each.
import { createClient } from 'graphql-sse';

/**
 * Returns a client that connects again when it was cut off. Whatever happened meanwhile is not told later: onReconnect is the
 * place to query anew what is shown.
 */
export function connect(url, { onReconnect = () => {}, ...options } = {}) {
  return createClient({
    url,
    retryAttempts: Infinity,
    on: { connected: wasRetry => wasRetry && onReconnect() },
    ...options,
  });
}
