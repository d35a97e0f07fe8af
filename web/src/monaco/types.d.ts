declare module 'monaco-editor/esm/vs/language/json/json.worker.js';
declare module 'monaco-editor/esm/vs/editor/editor.worker.js' {
  import type { worker } from 'monaco-editor';

  export function initialize(create: ((context: worker.IWorkerContext, data: any) => object) | null): void;
}
declare module 'prettier/standalone.mjs' {
  export function format(text: string, options: { parser: string }): Promise<string>;
}
