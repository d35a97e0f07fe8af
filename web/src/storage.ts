// GraphiQL keeps tabs, history and settings under keys that begin with "graphiql:". Another playground that was ever open on
// this host and port has left its own there, so ours begin with "driftgraph:".
const ours = (key: string) => key.replace(/^graphiql:/, 'driftgraph:');
const keys = () => Object.keys(localStorage).filter(key => key.startsWith('driftgraph:'));

export const storage = {
  get length() {
    return keys().length;
  },
  getItem: (key: string) => localStorage.getItem(ours(key)),
  setItem: (key: string, value: string) => localStorage.setItem(ours(key), value),
  removeItem: (key: string) => localStorage.removeItem(ours(key)),
  clear: () => keys().forEach(key => localStorage.removeItem(key)),
};
