// Runs the example of docs/browsers.md, as follow.js, on an EventSource for Node.js.
import { EventSource } from "eventsource";
import { follow } from "./follow.js";

globalThis.EventSource = EventSource;
const [api, credential] = process.argv.slice(2);
await follow(api, credential, (kind, data) => console.log(JSON.stringify([kind, data.id ?? data.operation_id ?? null])));
