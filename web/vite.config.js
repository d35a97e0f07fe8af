import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const gateway = process.env.DRIFTGRAPH_URL ?? 'http://127.0.0.1:8080'; // for npm run dev
const source = path => fileURLToPath(new URL(`src/${path}`, import.meta.url));

/** Makes import('…') a plain import where GraphiQL and Monaco load, one after the other, what the first screen needs anyway. */
const atOnce = {
  name: 'at-once',
  apply: 'build',
  transform: {
    filter: { id: /(react\/dist\/stores\/monaco|monaco-graphql\/esm\/(initialize|languageFeatures)|\/(graphql|monaco)\.contribution)\.js$/ },
    handler(code) {
      const paths = [];
      const body = code.replace(/\bimport\((['"][^'"]+['"])\)/g, (_, path) => `Promise.resolve(atOnce${paths.push(path)})`);
      return paths.map((path, i) => `import * as atOnce${i + 1} from ${path};\n`).join('') + body;
    },
  },
};

export default defineConfig({
  plugins: [atOnce],
  base: './', // so that the console also works below a path of a reverse proxy
  resolve: {
    // What GraphiQL brings and the playground does not need: 1.5 MB.
    alias: [
      { find: 'monaco-editor/esm/vs/editor/edcore.main.js', replacement: source('monaco/features.js') },
      { find: /^picomatch-browser$|^.*\/(diffEditorWidget|multiDiffEditorWidget)\.js$/, replacement: source('monaco/unused.js') },
      { find: /^prettier\/(standalone|plugins\/estree|parser-babel)$/, replacement: source('monaco/prettier.ts') },
      { find: 'prettier/parser-graphql', replacement: 'prettier/plugins/graphql' },
    ],
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: fonts or scripts
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000, // Monaco
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      output: {
        // Few files, and what we change often apart from what we do not.
        codeSplitting: {
          groups: [
            { name: 'load', test: /preload-helper|src\/storage/ }, // what main.ts needs, which loads all the rest
            { name: 'prettier', test: /node_modules\/prettier\// },
            { name: 'monaco', test: /node_modules\/(monaco-editor|monaco-graphql)\/|src\/monaco\/features/ },
            { name: 'graphiql', test: /node_modules\// },
          ],
        },
      },
      checks: { moduleLevelDirective: false }, // "use client", of no meaning here
    },
  },
  worker: { format: 'es' },
  server: {
    fs: { allow: ['..'] }, // the queries in ../testdata
    proxy: { '/graphql': gateway, '/schema.graphql': gateway },
  },
});
