// Subscriptions over WebSocket with graphql-ws. Apollo, urql and Relay listen through the same client.
import { createClient } from 'graphql-ws';

/**
 * Returns a client that connects when something is first listened to, and again for as long as anything is. Whatever happened
 * while it was cut off is not told later: onReconnect is the place to query anew what is shown.
 */
export function connect(url, { onReconnect = () => {}, ...options } = {}) {
  return createClient({
    url: url.replace(/^http/, 'ws'),
    retryAttempts: Infinity,
    shouldRetry: () => true,
    on: { connected: (_socket, _payload, wasRetry) => wasRetry && onReconnect() },
    ...options,
  });
}
