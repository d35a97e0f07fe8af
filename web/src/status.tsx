import { formatShortcutForOS, KEY_MAP, PlayIcon, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useSyncExternalStore } from 'react';
import { answers } from './fetcher';
import { PLAN_PLUGIN } from './plan';
import { headline, type Rest } from './rest';

const bytes = new Intl.NumberFormat('en', { style: 'unit', unit: 'kilobyte', maximumFractionDigits: 1 });
const milliseconds = new Intl.NumberFormat('en', { style: 'unit', unit: 'millisecond', maximumFractionDigits: 0 });
const runKey = formatShortcutForOS(KEY_MAP.runQuery.key).replace('-', ' + ');

/** The line below the answer, and in its place, while there is none, how to get one. */
export function Status() {
  const answer = useSyncExternalStore(answers.subscribe, answers.latest);
  const { tabs, activeTabIndex, isFetching } = useGraphiQL(({ tabs, activeTabIndex, isFetching }) => ({ tabs, activeTabIndex, isFetching }));
  const tab = tabs[activeTabIndex];
  const ids = tabs.map(({ id }) => id).join(' ');

  useEffect(() => answers.open(tab?.id, ids.split(' ')), [tab?.id, ids]);

  const isEmpty = !isFetching && !answer && !tab?.response;
  return (
    <>
      <p className="status">
        {isFetching && <span>Running…</span>}
        {answer && !isFetching && (
          <>
            <span className={answer.status < 400 ? 'ok' : 'failed'}>{answer.status}</span>
            <span>{milliseconds.format(answer.duration)}</span>
            <span>{bytes.format(answer.size / 1000)}</span>
            {answer.rest && <Cost rest={answer.rest} />}
          </>
        )}
      </p>
      {isEmpty && (
        <p className="invitation">
          Press <PlayIcon aria-label="the run button" /> or <kbd>{runKey}</kbd> to run {tab?.operationName ?? 'the query'}
        </p>
      )}
    </>
  );
}

/** What the answer cost, in a few words that open the panel which has them all. */
function Cost({ rest }: { rest: Rest }) {
  const isOpen = useGraphiQL(state => state.visiblePlugin === PLAN_PLUGIN);
  const { setVisiblePlugin } = useGraphiQLActions();
  const { figure, of } = headline(rest);
  return (
    <button
      className="graphiql-un-styled cost"
      aria-pressed={isOpen}
      title="The REST plan"
      onClick={() => setVisiblePlugin(isOpen ? null : PLAN_PLUGIN)}
    >
      {figure} {of}
    </button>
  );
}
