import { ChevronDownIcon, tryParseJSONC, useGraphiQL, type GraphiQLPlugin } from '@graphiql/react';
import { memo, useEffect, useMemo, useRef, useState, useSyncExternalStore, type CSSProperties, type KeyboardEvent, type SyntheticEvent } from 'react';
import { answers, predict, type Answer } from './fetcher';
import { count, end, failed, headline, rowsOf, sources, tick, time, type Budget, type Row, type Source, type Spent, type Step } from './rest';
import './plan.css';

/** The panel that shows what the latest query of the tab cost Drift, and how it came about. */
export const PLAN_PLUGIN: GraphiQLPlugin = { title: 'REST plan', icon: Icon, content: Plan };

function Icon() {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" aria-hidden="true">
      <path d="M2 3v14M5 4.5h5M8 8.5h7M8 12.5h4M12 16.5h6" />
    </svg>
  );
}

function Plan() {
  const answer = useSyncExternalStore(answers.subscribe, answers.latest);
  const { tab, isFetching } = useGraphiQL(({ tabs, activeTabIndex, isFetching }) => ({ tab: tabs[activeTabIndex]?.id, isFetching }));
  const spent = answer?.rest && !('predicted' in answer.rest) ? answer.rest : undefined;
  return (
    <section className="plan" aria-label="REST plan" aria-busy={isFetching}>
      <header>
        <h2>REST plan</h2>
        <DryRun key={tab} answer={answer} />
      </header>
      <div role="status">
        <Headline answer={answer} />
      </div>
      {spent && <Counts spent={spent} />}
      {spent?.budget && <Left budget={spent.budget} />}
      {spent?.plan && spent.plan.length > 0 && <Waterfall key={tab} plan={spent.plan} />}
      {spent && !spent.plan && spent.calls + spent.cacheHits + spent.staleHits + spent.shared > 0 && (
        <p className="note">
          The header <code>Driftgraph-Plan: summary</code> asks for the counts alone. With <code>full</code>, or without the header, the steps are
          here too.
        </p>
      )}
    </section>
  );
}

/** The large print. */
function Headline({ answer }: { answer?: Answer }) {
  if (!answer) {
    return (
      <div className="empty">
        <Sketch />
        <p>Run a query to see the calls to Drift that it takes, what each of them waits for, and how many are saved.</p>
        <p>A dry run tells the number beforehand, and makes none.</p>
      </div>
    );
  }
  if (!answer.rest) {
    return (
      <div className="headline">
        <p className="figure">No plan</p>
        <p>
          {answer.refusal === undefined
            ? 'The answer came without one: the gateway gives it to callers with the permission plan_read.'
            : `The gateway did not run the query: ${answer.refusal}`}
        </p>
      </div>
    );
  }
  const { figure, of, detail } = headline(answer.rest);
  const share = 'calls' in answer.rest && answer.rest.naiveCalls > answer.rest.calls ? answer.rest.calls / answer.rest.naiveCalls : undefined;
  return (
    <div className="headline">
      <p className="figure">
        <strong>{figure}</strong> {of}
      </p>
      {share !== undefined && (
        <div className="share" aria-hidden="true">
          <div style={{ width: `${share * 100}%` }} />
        </div>
      )}
      <p>{detail}</p>
    </div>
  );
}

/** A waterfall in outline, where there is none yet. */
function Sketch() {
  return (
    <svg viewBox="0 0 200 64" aria-hidden="true">
      <path d="M2 6h40M2 20h64M70 34h84M70 48h58M132 62h60" />
    </svg>
  );
}

function Counts({ spent }: { spent: Spent }) {
  const counts: [string, number | string][] = [
    ['Calls', spent.calls],
    ['From cache', spent.cacheHits],
    ['Stale', spent.staleHits],
    ['Shared', spent.shared],
    ['Retries', spent.retries],
    ['Time', time(spent.durationMs)],
  ];
  return (
    <dl className="counts">
      {counts.map(([name, value]) => (
        <div key={name} className={value === 0 ? 'none' : undefined}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What is left of Drift's budget, in which all queries share. */
function Left({ budget: { remaining, limit, perSecond } }: { budget: Budget }) {
  const share = Math.min(Math.max(remaining / Math.max(limit, 1), 0), 1);
  return (
    <div className={share < 0.2 ? 'budget low' : 'budget'}>
      <p>
        <strong>{count(remaining, 'call')}</strong> of {limit} left in Drift’s budget, {perSecond} back each second
      </p>
      <div className="share" aria-hidden="true">
        <div style={{ width: `${share * 100}%` }} />
      </div>
    </div>
  );
}

/** Asks what the query in the editor would cost. What it learned is shown until the next answer. */
function DryRun({ answer }: { answer?: Answer }) {
  const { queryEditor, variableEditor, headerEditor, operationName } = useGraphiQL(
    ({ queryEditor, variableEditor, headerEditor, operationName }) => ({ queryEditor, variableEditor, headerEditor, operationName }),
  );
  const [result, setResult] = useState<{ text: string; isError?: boolean }>();
  const turn = useRef(0); // of asking: only the last one's result is shown

  useEffect(() => {
    turn.current++;
    setResult(undefined);
  }, [answer]);

  async function ask() {
    const mine = ++turn.current;
    let next;
    try {
      const { predicted } = await predict(
        { query: queryEditor?.getValue() ?? '', variables: json(variableEditor?.getValue(), 'Variables'), operationName },
        json(headerEditor?.getValue(), 'Headers'),
      );
      const { min, max } = predicted;
      next = { text: `${operationName ?? 'This query'} would take ${min === max ? '' : `${min} to `}${count(max, 'call')}, with nothing cached` };
    } catch (error) {
      next = { text: error instanceof Error ? error.message : String(error), isError: true };
    }
    if (mine === turn.current) setResult(next);
  }

  return (
    <>
      <button className="graphiql-un-styled dry-run" title="Asks what the query would cost, and makes no call" onClick={ask}>
        Dry run
      </button>
      <p role="status" className={result?.isError ? 'prediction failed' : 'prediction'}>
        {result?.text}
      </p>
    </>
  );
}

/** Reads an editor's JSON with comments; undefined if it is empty. */
function json(text: string | undefined, name: string) {
  try {
    return tryParseJSONC(text) as Record<string, string> | undefined;
  } catch (error) {
    throw new Error(`${name} ${(error as Error).message}`);
  }
}

/** The row that the pointer or the keyboard is on, by its key, and the steps it waited for. */
interface Focus {
  key: string;
  after: Set<number>;
}

/** The keys of rows are those of `rowsOf`; that of a step in an open group is its id. */
const keyOf = (step: Step) => `${step.id}`;

function Waterfall({ plan }: { plan: Step[] }) {
  const rows = useMemo(() => rowsOf(plan), [plan]);
  const length = useMemo(() => Math.max(0.001, ...rows.map(row => row.end)), [rows]);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [focus, setFocus] = useState<Focus>();
  const [stop, setStop] = useState<string>(); // the row that the Tab key goes to; by default the first
  const tree = useRef<HTMLDivElement>(null);

  useEffect(() => setFocus(undefined), [rows]);

  const toggle = (key: string, to = !open.has(key)) => {
    const next = new Set(open);
    if (to) next.add(key);
    else next.delete(key);
    setOpen(next);
  };

  const keyAt = (event: SyntheticEvent) => (event.target as Element).closest<HTMLElement>('[role=treeitem]')?.dataset.key;

  function look(event: SyntheticEvent) {
    const key = keyAt(event);
    if (key === undefined || key === focus?.key) return;
    const steps = rows.find(row => row.key === key)?.steps ?? plan.filter(step => keyOf(step) === key);
    const own = new Set(steps.length > 1 ? steps.map(step => step.id) : []);
    setFocus({ key, after: new Set(steps.flatMap(step => step.after).filter(id => !own.has(id))) });
  }

  function onKeyDown(event: KeyboardEvent) {
    const key = keyAt(event);
    if (key === undefined) return;
    const items = [...tree.current!.querySelectorAll<HTMLElement>('[role=treeitem]')];
    const at = items.findIndex(item => item.dataset.key === key);
    const isGroup = items[at].ariaExpanded !== null;
    const isOpen = items[at].ariaExpanded === 'true';
    let to: HTMLElement | undefined;
    switch (event.key) {
      case 'ArrowDown':
        to = items[at + 1];
        break;
      case 'ArrowUp':
        to = items[at - 1];
        break;
      case 'Home':
        to = items[0];
        break;
      case 'End':
        to = items.at(-1);
        break;
      case 'ArrowRight':
        if (isGroup && !isOpen) toggle(key, true);
        else if (isOpen) to = items[at + 1];
        break;
      case 'ArrowLeft':
        if (isOpen) toggle(key, false);
        else if (items[at].ariaLevel === '2') to = items.slice(0, at).findLast(item => item.ariaLevel === '1');
        break;
      case 'Enter':
      case ' ':
        if (isGroup) toggle(key);
        break;
      default:
        return;
    }
    event.preventDefault();
    to?.focus();
  }

  const stops = new Set(rows.flatMap(row => (open.has(row.key) ? [row.key, ...row.steps.map(keyOf)] : [row.key])));
  const tabStop = stop !== undefined && stops.has(stop) ? stop : rows[0].key;
  const mark = (key: string, steps: Step[]) =>
    key === focus?.key ? 'current' : focus && steps.some(step => focus.after.has(step.id)) ? 'cause' : undefined;

  const distance = tick(length);
  const marks = Array.from({ length: Math.floor((length * 0.82) / distance) + 1 }, (_, i) => i * distance); // one at the end has no room
  return (
    <>
      <Legend plan={plan} />
      <div className="waterfall" style={{ '--tick': `${(distance / length) * 100}%` } as CSSProperties}>
        <div className="axis" aria-hidden="true">
          {marks.map((at, i) => (
            <span key={at} style={{ left: `${(at / length) * 100}%` }}>
              {+at.toPrecision(3)}
              {i === marks.length - 1 && ' ms'}
            </span>
          ))}
        </div>
        <div
          ref={tree}
          role="tree"
          aria-label="Steps, in the order in which they began"
          className={focus && focus.after.size > 0 ? 'has-causes' : undefined}
          onKeyDown={onKeyDown}
          onMouseOver={look}
          onMouseLeave={() => setFocus(undefined)}
          onFocus={event => {
            setStop(keyAt(event));
            look(event);
          }}
          onBlur={() => setFocus(undefined)}
          onClick={event => {
            const key = keyAt(event);
            if (rows.some(row => row.key === key && row.steps.length > 1)) toggle(key!);
          }}
        >
          {rows.map((row, i) => {
            const isOpen = row.steps.length > 1 && open.has(row.key);
            return [
              <Line
                key={row.key}
                id={row.key}
                row={row}
                length={length}
                mark={mark(row.key, row.steps)}
                isOpen={row.steps.length > 1 ? isOpen : undefined}
                isStop={tabStop === row.key}
                position={i + 1}
                of={rows.length}
              />,
              isOpen &&
                row.steps.map((step, i) => (
                  <Child
                    key={step.id}
                    step={step}
                    parent={row}
                    length={length}
                    mark={mark(keyOf(step), [step])}
                    isStop={tabStop === keyOf(step)}
                    position={i + 1}
                  />
                )),
            ];
          })}
        </div>
      </div>
    </>
  );
}

/** What the colours and strokes of the bars mean, as far as they occur. */
function Legend({ plan }: { plan: Step[] }) {
  const present = (Object.keys(sources) as Source[]).filter(source => plan.some(step => step.source === source));
  return (
    <ul className="legend" aria-label="Sources">
      {present.map(source => (
        <li key={source}>
          <svg className={`bar ${source}`} viewBox="0 0 18 8" width="18" height="8" aria-hidden="true">
            <path d="M0 4H18" strokeWidth="8" />
          </svg>
          {sources[source]}
        </li>
      ))}
      {plan.some(failed) && (
        <li>
          <svg className="bar" viewBox="0 0 18 8" width="18" height="8" aria-hidden="true">
            <path className="failed" d="M0 4H18" strokeWidth="8" />
          </svg>
          failed
        </li>
      )}
    </ul>
  );
}

interface LineProps {
  row: Row;
  id: string;
  length: number; // of the axis, in milliseconds
  mark?: 'current' | 'cause';
  isStop: boolean;
  position: number;
  of: number;
  isOpen?: boolean; // undefined if there is nothing to open
}

const Line = memo(function Line({ row, id, length, mark, isStop, position, of, isOpen }: LineProps) {
  const { steps } = row;
  const [first] = steps;
  const many = steps.length;
  const durations = steps.map(step => step.durationMs);
  const age = Math.max(...steps.map(step => step.ageMs ?? 0));
  const meta = [
    told(steps),
    time(Math.min(...durations), Math.max(...durations)),
    age > 0 && `${many > 1 ? 'up to ' : ''}${time(age)} old`,
    row.after.length > 0 && `after ${row.after.map(({ steps }) => (steps.length > 1 ? `${steps.length} × ` : '') + steps[0].route).join(' and ')}`,
  ].filter(part => part !== false);
  return (
    <div
      role="treeitem"
      className={`line ${mark ?? ''}`}
      data-key={id}
      tabIndex={isStop ? 0 : -1}
      aria-level={1}
      aria-setsize={of}
      aria-posinset={position}
      aria-expanded={isOpen}
      aria-label={[
        `${many > 1 ? `${many} ${first.source === 'NETWORK' ? 'calls' : 'batches'} ` : ''}${first.method} ${first.route}`,
        ...meta,
        `from ${time(row.start)} to ${time(row.end)}`,
        ...faultsInWords(steps),
      ].join(', ')}
    >
      <div className="what">
        <p className="route">
          {isOpen !== undefined && <ChevronDownIcon aria-hidden="true" className={isOpen ? 'open' : undefined} />}
          {many > 1 && <b>{many} × </b>}
          <span className="method">{first.method}</span> <span title={first.route}>{first.route}</span>
          <Faults steps={steps} />
        </p>
        <p className="meta" title={meta.at(-1)}>
          {meta.join(' · ')}
        </p>
      </div>
      <Bars steps={steps} length={length} />
    </div>
  );
});

interface ChildProps {
  step: Step;
  parent: Row;
  length: number;
  mark?: 'current' | 'cause';
  isStop: boolean;
  position: number;
}

/** A step of an open group. */
const Child = memo(function Child({ step, parent, length, mark, isStop, position }: ChildProps) {
  const texts = [time(step.durationMs), `from ${time(step.startMs)}`];
  return (
    <div
      role="treeitem"
      className={`line child ${mark ?? ''}`}
      data-key={keyOf(step)}
      tabIndex={isStop ? 0 : -1}
      aria-level={2}
      aria-setsize={parent.steps.length}
      aria-posinset={position}
      aria-label={[`Step ${step.id}`, ...texts, ...faultsInWords([step])].join(', ')}
    >
      <div className="what">
        <p className="meta">
          #{step.id} · {texts[0]}
          <Faults steps={[step]} />
        </p>
      </div>
      <Bars steps={[step]} length={length} />
    </div>
  );
});

/** Tells where steps had their records from, and how many each. */
function told(steps: Step[]) {
  const [{ source, keys }] = steps;
  if (source !== 'NETWORK') {
    return `${count(
      steps.reduce((sum, step) => sum + step.keys, 0),
      'record',
    )} from ${sources[source]}`;
  }
  const most = Math.max(...steps.map(step => step.keys));
  if (most > 1) return steps.length > 1 ? `up to ${most} records each` : `${most} records`;
  return keys === 0 && steps.length > 1 ? 'pages of a list' : keys === 0 ? 'a list' : steps.length > 1 ? 'a record each' : 'a record';
}

/** Shows the statuses of calls that failed or found nothing, with how many there are of each. */
function Faults({ steps }: { steps: Step[] }) {
  return faultsOf(steps).map(({ text, isFailure }) => (
    <span key={text} className={isFailure ? 'fault failed' : 'fault'}>
      {text}
    </span>
  ));
}

function faultsOf(steps: Step[]) {
  const some = Map.groupBy(
    steps.filter(step => failed(step) || step.status === 404),
    step => step.status,
  );
  return [...some].map(([status, { length: n }]) => ({
    text: `${n > 1 ? `${n} × ` : ''}${status ?? 'no answer'}`,
    isFailure: status !== 404,
  }));
}

/** Says the same in words. */
const faultsInWords = (steps: Step[]) => faultsOf(steps).map(({ text, isFailure }) => `${isFailure ? 'failed' : 'not found'}: ${text}`);

const width = 1000; // of the axis, in units of the pictures

/** Draws steps on the axis, each on a line of its own from its start to its end, and behind many the span of all. */
function Bars({ steps, length }: { steps: Step[]; length: number }) {
  const height = steps.length === 1 ? 8 : Math.min(48, Math.max(18, steps.length));
  const pitch = height / steps.length;
  const x = (ms: number) => (ms / length) * width;
  const path = (wanted: boolean) =>
    steps
      .map((step, i) => {
        if (failed(step) !== wanted) return '';
        const from = Math.min(x(step.startMs), width - 4);
        return `M${from.toFixed(1)} ${((i + 0.5) * pitch).toFixed(2)}H${Math.max(x(end(step)), from + 4).toFixed(1)}`; // never too short to see
      })
      .join('');
  const start = x(steps[0].startMs);
  const stroke = steps.length === 1 ? pitch : Math.max(0.75, pitch * 0.7);
  return (
    <svg
      className={`track bar ${steps[0].source}`}
      viewBox={`0 0 ${width} ${height}`}
      height={height}
      preserveAspectRatio="none"
      strokeWidth={stroke}
      aria-hidden="true"
    >
      {steps.length > 1 && <rect x={start} width={Math.max(...steps.map(step => x(end(step)))) - start} height={height} />}
      <path d={path(false)} />
      <path className="failed" d={path(true)} />
    </svg>
  );
}
