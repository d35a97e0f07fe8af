// One script for the three kinds of workers that Monaco starts, since they share most of their code.
import 'monaco-editor/esm/vs/language/json/json.worker.js';
import { initialize } from 'monaco-editor/esm/vs/editor/editor.worker.js';
import { GraphQLWorker } from 'monaco-graphql/esm/GraphQLWorker.js';

const json = self.onmessage; // set by json.worker.js, which exports nothing

switch (self.name) {
  case 'graphql':
    self.onmessage = () => initialize((context, data) => new GraphQLWorker(context, data));
    break;
  case 'json':
    self.onmessage = json;
    break;
  default:
    self.onmessage = () => initialize(null);
}
