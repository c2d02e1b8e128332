// A program on types that openapi-typescript made of the API's description, run against a server: node client.js URL KEY.
// It compiles only if the description says what the server takes and gives; each line below `@ts-expect-error` must not.

import createClient from "openapi-fetch";
import type { components, paths, webhooks } from "./api.js";

declare const process: { argv: string[] };

type Schemas = components["schemas"];
type Triggered = webhooks["incident.triggered"]["post"]["requestBody"]["content"]["application/json"];

const [address, key] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: address ?? "", headers: { Authorization: `Bearer ${key}` } });

function expect(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(`expected ${what}`);
}

// Words are types.
const severity: Schemas["Severity"] = "critical";
// @ts-expect-error no such severity
const wrongSeverity: Schemas["Severity"] = "fatal";
// @ts-expect-error no such event
const wrongEvent: Schemas["EventName"] = "incident.closed";

// What must be there must be there; what may be absent may.
const webhook: Schemas["NewWebhook"] = {
  name: "Typed",
  url: "https://example.com/hook",
  events: ["incident.triggered"],
  timeout: "5s",
};
// @ts-expect-error a webhook without events
const mute: Schemas["NewWebhook"] = { name: "Mute", url: "https://example.com/hook" };
// @ts-expect-error no such member
const slip: Schemas["WebhookChange"] = { tiemout: "5s" };
const change: Schemas["WebhookChange"] = { rate: null, concurrency: 4 };

// A receiver knows its bodies.
function titleOf(body: Triggered): string {
  const event: "incident.triggered" = body.event;
  return `${event}: ${body.incident.title} (${body.incident.assignee?.name ?? "nobody"})`;
}

const service = await client.POST("/api/v1/services", { body: { name: "API" } });
expect(service.data?.name === "API", "a service");

const incident = await client.POST("/api/v1/incidents", {
  params: { header: { "Idempotency-Key": "once" } },
  body: { title: "Disk full", severity, service: { name: "API" } },
});
expect(incident.data?.status === "triggered", "a triggered incident");
const id = incident.data?.id ?? "";

const list = await client.GET("/api/v1/incidents", {
  params: { query: { status: ["triggered", "acknowledged"], severity, limit: 10 } },
  querySerializer: { array: { style: "form", explode: false } },
});
expect(list.data?.items.length === 1 && list.data.nextCursor === null, "one incident");

// @ts-expect-error a limit is a number
const wrongLimit = () => client.GET("/api/v1/incidents", { params: { query: { limit: "10" } } });

await client.POST("/api/v1/incidents/{id}/resolve", { params: { path: { id } } });
const refused = await client.POST("/api/v1/incidents/{id}/acknowledge", { params: { path: { id } } });
expect(refused.error?.code === "wrong_status", "wrong_status");
expect(refused.error?.incidentStatus === "resolved", "the present status");
// @ts-expect-error this route has no such problem
const impossible = () => refused.error?.code === "ticket_system_failed";

const made = await client.POST("/api/v1/webhooks", { body: webhook });
expect(made.data?.kind === "generic" && made.data.secret?.startsWith("whsec_") === true, "a webhook with its secret");
const changed = await client.PATCH("/api/v1/webhooks/{id}", {
  params: { path: { id: made.data?.id ?? "" } },
  body: change,
});
expect(changed.data?.concurrency === 4, "a changed webhook");

const deliveries = await client.GET("/api/v1/deliveries", { params: { query: { status: "dead", event: "incident.resolved" } } });
expect(deliveries.data?.items.length === 0, "no dead deliveries");

// This route has two forms, by Accept.
const feed = await client.GET("/api/v1/events", { params: { query: { limit: 200 } } });
const page = typeof feed.data === "object" ? feed.data : undefined;
const first = page?.items[0];
expect(first?.event === "incident.triggered" && first.incident.severity === "critical", "the first event");

const typed: Triggered = { event: "incident.triggered", timestamp: first!.timestamp, incident: first!.incident };
console.log(titleOf(typed));
