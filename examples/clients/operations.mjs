// What the examples ask. Lists are read by `edges`, since that is where Apollo and Relay keep the pages they have put together.

const contactFields = 'id name email phone';
const messageFields = 'id type body authorType createdAt';

export const inbox = `query Inbox($status: [ConversationStatus!], $first: Int!, $after: String) {
  conversations(status: $status, first: $first, after: $after) {
    edges { cursor node { id status contact { ${contactFields} } } }
    pageInfo { hasNextPage endCursor }
  }
}`;

export const thread = `query Thread($id: ID!, $first: Int!, $after: String) {
  conversation(id: $id) {
    id
    contact { ${contactFields} }
    messages(first: $first, after: $after) {
      edges { cursor node { ${messageFields} } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;

export const contact = `query Contact($id: ID!) {
  contact(id: $id) { ${contactFields} }
}`;

export const agents = `query Agents {
  users(isBot: false, first: 100) { edges { node { id name alias } } }
}`;

export const updateContact = `mutation UpdateContact($input: UpdateContactInput!) {
  updateContact(input: $input) {
    contact { ${contactFields} }
    userErrors { message field code }
  }
}`;

export const updateUser = `mutation UpdateUser($input: UpdateUserInput!) {
  updateUser(input: $input) {
    user { id name alias }
    userErrors { message field code }
  }
}`;

export const sendMessage = `mutation SendMessage($input: SendMessageInput!) {
  sendMessage(input: $input) {
    message { ${messageFields} conversation { id } }
    userErrors { message field code }
  }
}`;

export const messageAdded = `subscription MessageAdded($conversationId: ID) {
  messageAdded(conversationId: $conversationId) { ${messageFields} conversation { id } }
}`;

export const contactUpdated = `subscription ContactUpdated($contactId: ID) {
  contactUpdated(contactId: $contactId) { ${contactFields} }
}`;
