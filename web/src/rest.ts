/** What an answer cost Drift: `extensions.rest`. Times are in milliseconds from the start of the operation. */
export interface Spent {
  calls: number;
  naiveCalls: number; // that one call for each object at each place would take
  cacheHits: number;
  staleHits: number;
  shared: number;
  retries: number;
  durationMs: number;
  budget?: Budget; // undefined if nothing bounds the calls
  plan?: Step[];
}

/** What all operations together may still ask of Drift. */
export interface Budget {
  remaining: number; // calls that may be made at once now
  limit: number; // calls that may be made at once after a rest
  perSecond: number; // how many come back each second
}

/** What a dry run tells in its place. */
export interface Prediction {
  predicted: { min: number; max: number };
}

export type Rest = Spent | Prediction;

/** A call to Drift, or records of one batch that another source had. */
export interface Step {
  id: number;
  method: string;
  route: string;
  keys: number; // records asked for; 0 for a list
  source: Source;
  status: number | null; // of Drift's answer; null if there was none
  startMs: number;
  durationMs: number;
  after: number[]; // the steps whose answers this one waited for
  ageMs?: number; // of stale records
}

export type Source = 'NETWORK' | 'SHARED' | 'L1' | 'REDIS' | 'STALE';

/** Where a step had its records from, in words. */
export const sources: Record<Source, string> = {
  NETWORK: 'Drift',
  SHARED: 'another query’s call',
  L1: 'memory',
  REDIS: 'Redis',
  STALE: 'stale cache',
};

export const end = (step: Step) => step.startMs + step.durationMs;

/** Reports whether a call had no answer or a refusal. That Drift does not have a record, 404, is an answer. */
export const failed = ({ source, status }: Step) => (status === null ? source === 'NETWORK' : status >= 300 && status !== 404);

/** A row of the waterfall: a step, or steps that are alike. */
export interface Row {
  key: string; // among the rows of one plan
  steps: Step[]; // in the order in which they started; never empty
  start: number;
  end: number;
  after: Row[]; // whose steps these waited for
}

/**
 * Makes rows of a plan, in the order in which they start. Alike are steps with the same route and source that waited for the same rows, and the
 * pages of a list, of which each waits for the one before.
 */
export function rowsOf(plan: Step[]): Row[] {
  const rows = new Map<string, Row>();
  const rowOf = new Map<number, Row>(); // by the id of a step
  for (const step of plan.toSorted((a, b) => a.id - b.id)) {
    const kind = `${step.method} ${step.route} ${step.source}`;
    const after = [...new Set(step.after.flatMap(id => rowOf.get(id) ?? []))];
    const pages = after.length === 1 && step.keys === 0 && after[0].steps[0].keys === 0 && after[0].key.startsWith(`${kind} <`);
    const key = pages ? after[0].key : `${kind} <${after.map(row => row.steps[0].id).sort((a, b) => a - b)}>`;
    let row = rows.get(key);
    if (!row) rows.set(key, (row = { key, steps: [], start: Infinity, end: 0, after }));
    row.steps.push(step);
    row.start = Math.min(row.start, step.startMs);
    row.end = Math.max(row.end, end(step));
    rowOf.set(step.id, row);
  }
  for (const row of rows.values()) row.steps.sort((a, b) => a.startMs - b.startMs || a.id - b.id);
  return [...rows.values()].sort((a, b) => a.start - b.start || a.steps[0].id - b.steps[0].id);
}

/** Returns the distance of the marks of an axis of this length, so that there are three to six. */
export function tick(length: number) {
  const unit = 10 ** Math.floor(Math.log10(length / 3));
  return [5, 2, 1].map(n => n * unit).find(n => length / n >= 3)!;
}

const whole = new Intl.NumberFormat('en');

/** Tells a number of things. */
export const count = (n: number, one: string, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;

/** Tells a time in milliseconds, or a shortest and a longest one, to two or three digits. */
export function time(ms: number, longest = ms) {
  const [divisor, unit] = longest >= 1000 ? [1000, 's'] : [1, 'ms'];
  if (longest < 0.01) return '<0.01 ms';
  const digits = longest / divisor >= 10 ? 0 : longest / divisor >= 1 ? 1 : 2;
  const [from, to] = [ms, longest].map(n => (n / divisor).toFixed(digits));
  return `${from === to ? to : `${from}–${to}`} ${unit}`;
}

/** Tells the most important of what an answer cost: a figure, what it counts, and how it comes about. */
export function headline(rest: Rest): { figure: string; of: string; detail: string } {
  if ('predicted' in rest) {
    const { min, max } = rest.predicted;
    const figure = min === max ? whole.format(min) : `${whole.format(min)} to ${whole.format(max)}`;
    return { figure, of: max === 1 ? 'call' : 'calls', detail: 'Predicted, with nothing cached. No call was made' };
  }
  const { calls, naiveCalls, cacheHits, staleHits, shared, retries } = rest;
  if (calls === 0) {
    const cached = cacheHits + staleHits > 0;
    let detail = 'Nothing was needed of Drift';
    if (cached && shared > 0) detail = 'All from cache and other queries’ calls';
    else if (cached) detail = 'All from cache';
    else if (shared > 0) detail = 'All from other queries’ calls';
    if (naiveCalls > 0 && (cached || shared > 0)) detail += `, instead of ${count(naiveCalls, 'call')}`;
    return { figure: '0', of: 'calls', detail };
  }
  const saved = naiveCalls - calls;
  if (saved > 0) {
    return {
      figure: whole.format(saved),
      of: saved === 1 ? 'call saved' : 'calls saved',
      detail: `${whole.format(calls)} instead of ${whole.format(naiveCalls)}, at one call for each object`,
    };
  }
  const of = calls === 1 ? 'call' : 'calls';
  if (saved === 0) return { figure: whole.format(calls), of, detail: 'None saved: one call for each object takes as many' };
  const why = retries > 0 ? `, with ${count(retries, 'retry', 'retries')}` : '';
  return { figure: whole.format(calls), of, detail: `None saved${why}: one call for each object would take ${whole.format(naiveCalls)}` };
}
