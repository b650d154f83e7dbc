import { NodeRuntime } from "@effect/platform-node"
import { Layer } from "effect"
import { server } from "./server.js"

NodeRuntime.runMain(Layer.launch(server({ port: 8080 })))
