import { ChevronDownIcon, DropdownMenu, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { examples, type Example } from './examples';
import mark from './mark.svg';

/** The name of the product, before the tabs, and links after them. */
export function Header() {
  return (
    <>
      <span className="brand">
        <img src={mark} alt="" width="22" height="22" />
        Driftgraph
      </span>
      <nav className="links">
        <Examples />
        <a className="graphiql-un-styled" href="schema.graphql" target="_blank" rel="noreferrer">
          Schema
        </a>
      </nav>
    </>
  );
}

/** Every query of the README, also for a visitor whose tabs are their own by now. */
function Examples() {
  const { tabs, queryEditor, variableEditor } = useGraphiQL(({ tabs, queryEditor, variableEditor }) => ({ tabs, queryEditor, variableEditor }));
  const { addTab, changeTab } = useGraphiQLActions();

  function open(example: Example) {
    const index = tabs.findIndex(tab => tab.query === example.query);
    if (index >= 0) return changeTab(index);
    addTab();
    queryEditor?.setValue(example.query);
    variableEditor?.setValue(example.variables ?? '');
  }

  return (
    <DropdownMenu>
      <DropdownMenu.Button>
        Examples <ChevronDownIcon aria-hidden="true" />
      </DropdownMenu.Button>
      <DropdownMenu.Content align="end" className="examples">
        {examples.map(example => (
          <DropdownMenu.Item key={example.name} onSelect={() => open(example)}>
            {example.name}
            <small>{example.about}</small>
          </DropdownMenu.Item>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}
