import { FetchHttpClient } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Layer } from "effect"
import { server } from "../effect-layers/server.js"
import { telemetry } from "./telemetry.js"

NodeRuntime.runMain(
  Layer.launch(
    server({ port: 8080 }).pipe(
      Layer.provide(telemetry({ collector: process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "http://localhost:4318" })),
      Layer.provide(FetchHttpClient.layer)
    )
  )
)
