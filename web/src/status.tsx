import { formatShortcutForOS, KEY_MAP, PlayIcon, useGraphiQL } from '@graphiql/react';
import { useEffect, useSyncExternalStore } from 'react';
import { answers } from './fetcher';

const bytes = new Intl.NumberFormat('en', { style: 'unit', unit: 'kilobyte', maximumFractionDigits: 1 });
const milliseconds = new Intl.NumberFormat('en', { style: 'unit', unit: 'millisecond', maximumFractionDigits: 0 });
const runKey = formatShortcutForOS(KEY_MAP.runQuery.key).replace('-', ' + ');

/** The line below the answer, and in its place, while there is none, how to get one. */
export function Status() {
  const answer = useSyncExternalStore(answers.subscribe, answers.latest);
  const { tab, isFetching } = useGraphiQL(({ tabs, activeTabIndex, isFetching }) => ({ tab: tabs[activeTabIndex], isFetching }));

  useEffect(() => answers.set(undefined), [tab?.id]);

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
