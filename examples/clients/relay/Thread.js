import { ConnectionHandler, graphql } from 'relay-runtime';

export const thread = graphql`
  query ThreadQuery($id: ID!, $first: Int!, $after: String) {
    conversation(id: $id) {
      id
      contact { id name email phone }
      messages(first: $first, after: $after) @connection(key: "Thread_messages") {
        edges { node { id type body authorType createdAt } }
      }
    }
  }
`;

// A message that was sent or heard joins the connections whose ids are given, once.
export const sendMessage = graphql`
  mutation ThreadSendMessageMutation($input: SendMessageInput!, $connections: [ID!]!) {
    sendMessage(input: $input) {
      message @appendNode(connections: $connections, edgeTypeName: "MessageEdge") { id type body authorType createdAt }
      userErrors { message field code }
    }
  }
`;

export const messageAdded = graphql`
  subscription ThreadMessageAddedSubscription($conversationId: ID, $connections: [ID!]!) {
    messageAdded(conversationId: $conversationId) @appendNode(connections: $connections, edgeTypeName: "MessageEdge") {
      id type body authorType createdAt
    }
  }
`;

/** Returns the id of the connection that ThreadQuery makes of a conversation's messages. */
export const messagesOf = conversationId => ConnectionHandler.getConnectionID(conversationId, 'Thread_messages');
