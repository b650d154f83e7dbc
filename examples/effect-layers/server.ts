/**
 * The manager put together by hand: your own auth policy in front of rules, everything in memory, HTTP on node:http.
 *
 *     npx vite-node examples/effect-layers/main.ts
 *
 * `main.ts` beside this file launches it.
 */

import {
  AuthPolicy,
  AuthRules,
  ConfigRenderer,
  ConfigSource,
  Credentials,
  FleetState,
  HookBus,
  ManagerApiLayer,
  NodeEventLog,
  NodeRegistry
} from "@livecams/mtx-manager"
import { Argon2Node, NodeServer } from "@livecams/mtx-manager/node"
import { Clock, Effect, Layer, Redacted } from "effect"

/** Cameras may only be watched in daylight. Everything else is up to the rules. */
const daylight = AuthPolicy.fromFunction((request) =>
  request.action === "read" && request.path.startsWith("cams/")
    ? Effect.map(Clock.currentTimeMillis, (now) => {
        const hour = new Date(now).getUTCHours()
        return hour >= 6 && hour < 20
      })
    : true
)

const Auth = AuthPolicy.layerEffect(
  Effect.gen(function* () {
    const rules = yield* AuthRules.fromUnknown({
      users: [{ name: "camera", secret: "camera-secret" }],
      rules: [
        { allow: "publish", paths: "cams/*", users: "camera" },
        { allow: "read", paths: "cams/*" }
      ]
    })
    return AuthPolicy.all([daylight, rules])
  })
).pipe(Layer.provide(Argon2Node.layer()))

const Config = ConfigRenderer.layer({ base: "http://localhost:8080" }).pipe(
  Layer.provide(ConfigSource.fromValue({ paths: { all_others: {} } }, { nodes: { "cam-1": { rtmp: false } } })),
  Layer.provideMerge(Credentials.layer({ key: Redacted.make("a-key-of-your-own-0123456789") }))
)

// Swap any of these for a SQL layer, or for one of your own.
const State = Layer.merge(FleetState.layerMemory(), NodeEventLog.layer).pipe(
  Layer.provideMerge(Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory()))
)

/** The whole server as one layer. */
export const server = (options: NodeServer.NodeServerOptions) =>
  NodeServer.layer(options).pipe(
    Layer.provide(ManagerApiLayer.layer),
    Layer.provide(Layer.mergeAll(Auth, Config, State))
  )
