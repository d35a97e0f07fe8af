import { graphql } from 'relay-runtime';

export const inbox = graphql`
  query InboxQuery($status: [ConversationStatus!], $first: Int!, $after: String) {
    conversations(status: $status, first: $first, after: $after) @connection(key: "Inbox_conversations") {
      edges { node { id status contact { id name email phone } } }
    }
  }
`;

export const contact = graphql`
  query InboxContactQuery($id: ID!) {
    contact(id: $id) { id name email phone }
  }
`;

export const agents = graphql`
  query InboxAgentsQuery {
    users(isBot: false, first: 100) { edges { node { id name alias } } }
  }
`;

export const updateContact = graphql`
  mutation InboxUpdateContactMutation($input: UpdateContactInput!) {
    updateContact(input: $input) {
      contact { id name email phone }
      userErrors { message field code }
    }
  }
`;

export const updateUser = graphql`
  mutation InboxUpdateUserMutation($input: UpdateUserInput!) {
    updateUser(input: $input) {
      user { id name alias }
      userErrors { message field code }
    }
  }
`;

export const contactUpdated = graphql`
  subscription InboxContactUpdatedSubscription($contactId: ID) {
    contactUpdated(contactId: $contactId) { id name email phone }
  }
`;

// What fails is told in its place, and the rest is answered.
export const partly = graphql`
  query InboxPartlyQuery($id: ID!) {
    viewer { caller }
    conversation(id: $id) @catch(to: RESULT) { id }
  }
`;
