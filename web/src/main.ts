// The first script of the page, kept small: the outline in index.html is on screen while it loads the rest.
import { storage } from './storage';

const theme = storage.getItem('graphiql:theme');
if (theme) document.body.classList.add(`graphiql-${theme}`);

// A first visit has the REST plan beside the editors, if there is room for three.
if (!storage.getItem('graphiql:tabState') && innerWidth >= 1200) {
  storage.setItem('graphiql:visiblePlugin', 'REST plan');
  storage.setItem('graphiql:docExplorerFlex', '0.45'); // of the editors' width
}
if (storage.getItem('graphiql:visiblePlugin')) {
  const flex = parseFloat(storage.getItem('graphiql:docExplorerFlex') ?? '') || 1 / 3; // GraphiQL's own
  document.body.style.setProperty('--panel', `${flex / (flex + 1)}`);
}

try {
  const { mount } = await import('./playground');
  await mount(document.getElementById('root')!);
} catch (error) {
  document.querySelector('#skeleton p')!.textContent = 'Driftgraph could not be loaded. Reload the page to try again.';
  throw error;
}
