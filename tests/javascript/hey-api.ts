// Submits, waits and filters by label with the client that @hey-api/openapi-ts generates.
import { client } from "./generated/client.gen.js";
import { getOperation, listOperations, streamOperation, submitOperation } from "./generated/sdk.gen.js";

const [baseUrl, key] = process.argv.slice(2);
client.setConfig({ baseUrl, auth: key });

const submitted = await submitOperation({ body: { type: "deploy", labels: { team: "a" } } });
await submitOperation({ body: { type: "deploy", labels: { team: "b" } } });
const id = submitted.data!.id;
const waited = await getOperation({ path: { operation_id: id }, query: { wait: "55s", until: "done" } });
const filtered = await listOperations({ query: { labels: { "label.team": "a" } } });
const misspelt = await listOperations({
  query: { labels: { "label.team": "a" } },
  querySerializer: { object: { style: "deepObject", explode: true } },
});
const kinds: unknown[] = [];
const { stream } = await streamOperation({
  path: { operation_id: id },
  onSseEvent: (event) => kinds.push(event.event),
});
for await (const _ of stream);
console.log(
  JSON.stringify({
    submitted: id,
    waited: waited.data!.status,
    filtered: filtered.data!.items.map((item) => item.id),
    refused: misspelt.response!.status,
    followed: kinds,
  }),
);
