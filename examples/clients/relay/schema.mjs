// Fetches the schema that the compiler checks the queries against, from the gateway that runs at DRIFTGRAPH_URL.
import { writeFile } from 'node:fs/promises';

const response = await fetch(new URL('/schema.graphql', process.env.DRIFTGRAPH_URL ?? 'http://127.0.0.1:8080'));
if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
await writeFile(new URL('schema.graphql', import.meta.url), await response.text());
