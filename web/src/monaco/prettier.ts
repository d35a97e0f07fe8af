// GraphiQL loads all of Prettier's JavaScript parser to lay out the JSON of variables and headers. This does that with what is
// here anyway, and leaves GraphQL to Prettier.
import { applyEdits, format as formatEdits } from 'jsonc-parser';
import { format as prettier } from 'prettier/standalone.mjs';

export async function format(text: string, options: { parser: string }) {
  if (options.parser !== 'jsonc') return prettier(text, options);
  return applyEdits(text, formatEdits(text, undefined, { insertSpaces: true, tabSize: 2 }));
}

/** Stand in for those of Prettier's JavaScript parser. */
export const printers = {};
export const parsers = {};
