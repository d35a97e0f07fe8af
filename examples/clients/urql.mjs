// urql with Graphcache: a cache by `id`, pages put together, and subscriptions over WebSocket.
import { Client, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import * as operations from './operations.mjs';
import { connect as connectSocket } from './ws.mjs';

export const inbox = gql(operations.inbox);
export const thread = gql(operations.thread);
export const contact = gql(operations.contact);
export const agents = gql(operations.agents);
export const updateContact = gql(operations.updateContact);
export const updateUser = gql(operations.updateUser);
export const sendMessage = gql(operations.sendMessage);
export const messageAdded = gql(operations.messageAdded);
export const contactUpdated = gql(operations.contactUpdated);

// A look-up by global id finds what another query has brought.
const byId = __typename => (_parent, args, cache, { fieldName }) => {
  const met = { __typename, id: args.id };
  return cache.resolve(met, 'id') ? met : cache.resolve('Query', fieldName, args);
};

// A message that was sent or heard has its conversation's messages queried anew where they are shown.
const readMessagesAnew = (message, cache) => {
  if (!message) return;
  for (const { fieldName, arguments: args } of cache.inspectFields(message.conversation)) {
    if (fieldName === 'messages') cache.invalidate(message.conversation, fieldName, args);
  }
};

/**
 * Returns a client of the gateway whose address is given. With fetchSubscriptions it listens by server-sent events, which take
 * nothing but fetch, and not by WebSocket; it does not connect again by itself then.
 */
export function connect(url, { fetch, fetchSubscriptions = false, ...socketOptions } = {}) {
  const socket = connectSocket(url, socketOptions);
  return new Client({
    url,
    fetch,
    fetchSubscriptions,
    exchanges: [
      cacheExchange({
        keys: { Viewer: () => null },
        resolvers: {
          Query: {
            contact: byId('Contact'),
            user: byId('User'),
            conversation: byId('Conversation'),
            conversations: relayPagination(),
          },
          Conversation: { messages: relayPagination() },
        },
        updates: {
          Mutation: { sendMessage: ({ sendMessage }, _args, cache) => readMessagesAnew(sendMessage?.message, cache) },
          Subscription: { messageAdded: ({ messageAdded }, _args, cache) => readMessagesAnew(messageAdded, cache) },
        },
      }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: sink => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  });
}
