import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { PLAN_PLUGIN } from './plan';

/** The panels of the sidebar, below the documentation. A new panel is a `GraphiQLPlugin` in a file of its own, added here. */
export const plugins = [PLAN_PLUGIN, HISTORY_PLUGIN];
