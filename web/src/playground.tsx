import { ImagePreview, useGraphiQL } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { examples, seedFirstVisit } from './examples';
import { fetcher } from './fetcher';
import { loadFonts } from './fonts';
import { Header } from './header';
import { editorOptions, editorTheme } from './monaco/monaco';
import { plugins } from './plugins';
import { Status } from './status';
import { storage } from './storage';
import './playground.css';

// GraphiQL shows a picture when the pointer rests on its address, so it would ask other hosts for the avatars in an answer.
ImagePreview.shouldRender = () => false;

function Playground() {
  return (
    <GraphiQL
      fetcher={fetcher}
      defaultTabs={examples.length ? examples.map(({ query, variables }) => ({ query, variables })) : undefined}
      defaultQuery=""
      plugins={plugins}
      storage={storage}
      editorTheme={editorTheme}
    >
      <GraphiQL.Logo>
        <Header />
      </GraphiQL.Logo>
      <GraphiQL.Footer>
        <Status />
      </GraphiQL.Footer>
      <Ready />
    </GraphiQL>
  );
}

/** Sets up the editors, and takes the outline of index.html away once they stand in its place. */
function Ready() {
  const editors = useGraphiQL(state => [state.queryEditor, state.variableEditor, state.headerEditor, state.responseEditor]);
  useEffect(() => {
    if (editors.some(editor => !editor)) return;
    editors.forEach(editor => editor!.updateOptions(editorOptions));
    requestAnimationFrame(() => document.getElementById('skeleton')?.remove());
  }, editors);
  return null;
}

/** Shows the playground. */
export async function mount(root: HTMLElement) {
  seedFirstVisit();
  await loadFonts(); // before Monaco, which measures its font once
  createRoot(root).render(<Playground />);
}
