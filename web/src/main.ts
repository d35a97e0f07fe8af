// The first script of the page, kept small: the outline in index.html is on screen while it loads the rest.
import { storage } from './storage';

const theme = storage.getItem('graphiql:theme');
if (theme) document.body.classList.add(`graphiql-${theme}`);

try {
  const { mount } = await import('./playground');
  await mount(document.getElementById('root')!);
} catch (error) {
  document.querySelector('#skeleton p')!.textContent = 'Driftgraph could not be loaded. Reload the page to try again.';
  throw error;
}
