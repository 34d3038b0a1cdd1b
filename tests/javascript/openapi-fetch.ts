// Submits, waits and filters by label with types of openapi-typescript and the client openapi-fetch.
import createClient from "openapi-fetch";
import type { paths } from "./generated/schema.js";

const [baseUrl, key] = process.argv.slice(2);
const client = createClient<paths>({
  baseUrl,
  headers: { authorization: `Bearer ${key}` },
  // OpenAPI's own default for an object in a query; openapi-fetch has deepObject.
  querySerializer: { object: { style: "form", explode: true } },
});

const submitted = await client.POST("/v1/operations", { body: { type: "deploy", labels: { team: "a" } } });
await client.POST("/v1/operations", { body: { type: "deploy", labels: { team: "b" } } });
const id = submitted.data!.id;
const waited = await client.GET("/v1/operations/{operation_id}", {
  params: { path: { operation_id: id }, query: { wait: "55s", until: "done" } },
});
const filtered = await client.GET("/v1/operations", { params: { query: { labels: { "label.team": "a" } } } });
const misspelt = await client.GET("/v1/operations", {
  params: { query: { labels: { "label.team": "a" } } },
  querySerializer: { object: { style: "deepObject", explode: true } },
});
console.log(
  JSON.stringify({
    submitted: id,
    waited: waited.data!.status,
    filtered: filtered.data!.items.map((item) => item.id),
    refused: misspelt.response.status,
  }),
);
