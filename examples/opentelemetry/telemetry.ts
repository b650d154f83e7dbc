/**
 * The manager's metrics, logs and spans to an OpenTelemetry collector (OTLP over HTTP): one layer under the server.
 *
 *     npm install @effect/opentelemetry@0.64
 *     npx vite-node examples/opentelemetry/main.ts
 *
 * Nothing of the manager knows of it: metrics are in Effect's registry, logs go to Effect's logger, services open spans with
 * Effect's tracer. Requests have no spans, since one costs as much as the request; they are counted.
 */
import * as Otlp from "@effect/opentelemetry/Otlp"
import type { HttpClient } from "@effect/platform"
import type { Duration, Layer } from "effect"

export interface TelemetryOptions {
  /** The collector, without `/v1/...`. */
  readonly collector: string
  /** How often metrics are sent (default 10 seconds). */
  readonly every?: Duration.DurationInput
}

export const telemetry = (options: TelemetryOptions): Layer.Layer<never, never, HttpClient.HttpClient> =>
  Otlp.layerJson({
    baseUrl: options.collector,
    resource: { serviceName: "mtx-manager", attributes: { "service.namespace": "livecams" } },
    metricsExportInterval: options.every ?? "10 seconds"
  })
