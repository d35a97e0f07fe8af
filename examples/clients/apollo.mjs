// Apollo Client: a cache by `id`, pages put together, and subscriptions over WebSocket.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition, relayStylePagination } from '@apollo/client/utilities';
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
const byId = __typename => ({
  read: (known, { args, toReference }) => (known === undefined ? toReference({ __typename, id: args.id }) : known),
});

/** Returns a client of the gateway whose address is given. */
export function connect(url, { fetch, ...socketOptions } = {}) {
  const cache = new InMemoryCache({
    possibleTypes: {
      Node: ['Account', 'Contact', 'Conversation', 'Message', 'Playbook', 'Team', 'User'],
      MessageAuthor: ['Contact', 'User'],
    },
    typePolicies: {
      Query: {
        fields: {
          contact: byId('Contact'),
          user: byId('User'),
          conversation: byId('Conversation'),
          conversations: relayStylePagination(['status']),
        },
      },
      Conversation: { fields: { messages: relayStylePagination(['types']) } },
    },
  });
  const socket = connectSocket(url, { onReconnect: () => client.refetchQueries({ include: 'active' }), ...socketOptions });
  const client = new ApolloClient({
    cache,
    link: ApolloLink.split(
      ({ query }) => getMainDefinition(query).operation === 'subscription',
      new GraphQLWsLink(socket),
      new HttpLink({ uri: url, fetch }),
    ),
  });
  return client;
}

/** Puts a message that was sent or heard at the end of its conversation, if the cache holds the conversation to its end. */
export function append(cache, message) {
  if (!message) return; // Drift could not be asked for it, or has it no more
  cache.modify({
    id: cache.identify(message.conversation),
    fields: {
      messages(list, { readField, storeFieldName, toReference }) {
        const narrowed = storeFieldName.includes('types');
        const known = list.edges.some(({ node }) => readField('id', node) === message.id);
        if (narrowed || known || list.pageInfo.hasNextPage) return list;
        return { ...list, edges: [...list.edges, { __typename: 'MessageEdge', cursor: '', node: toReference(message) }] };
      },
    },
  });
}
