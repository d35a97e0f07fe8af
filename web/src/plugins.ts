import { HISTORY_PLUGIN } from '@graphiql/plugin-history';

/** The panels of the sidebar, below the documentation. A new panel is a `GraphiQLPlugin` in a file of its own, added here. */
export const plugins = [HISTORY_PLUGIN];
