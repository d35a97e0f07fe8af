import live from './live.graphql?raw';
import { storage } from './storage';

/** A query of the README, or the subscription: a tab for a visitor who comes for the first time. */
export interface Example {
  name: string; // of its operation
  about?: string; // its first line, if that is a comment
  query: string;
  variables?: string; // as JSON
}

// testdata/readme/20-contact.graphql, and beside it 20-contact.variables.json if the query has variables.
const queries = import.meta.glob<string>('../../testdata/readme/*.graphql', { query: '?raw', import: 'default', eager: true });
const variables = import.meta.glob<string>('../../testdata/readme/*.variables.json', { query: '?raw', import: 'default', eager: true });

/** The queries of the README, in the order of their file names, and a subscription. */
export const examples: Example[] = [...Object.entries(queries).sort(([a], [b]) => (a < b ? -1 : 1)), ['live.graphql', live]].map(
  ([path, text]) => ({
    name: /^(?:query|mutation|subscription)\s+(\w+)/m.exec(text)?.[1] ?? path.replace(/^.*\/|\.graphql$/g, ''),
    about: /^#\s*(.*)/.exec(text)?.[1],
    query: text.trim(),
    variables: variables[path.replace(/\.graphql$/, '.variables.json')]?.trim(),
  }),
);

/**
 * Puts the first example where GraphiQL looks for the query and the variables of the last visit. Of the tabs that it is given for a
 * first visit it would show the first one without its variables.
 */
export function seedFirstVisit() {
  const [first] = examples;
  if (!first || storage.getItem('graphiql:tabState')) return;
  storage.setItem('graphiql:query', first.query);
  storage.setItem('graphiql:variables', first.variables ?? '');
}
