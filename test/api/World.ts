/** The API over the real services in memory, on a source that the test may change. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as ManagerLayer from "../../src/api/ManagerLayer.js"
import * as WebHandler from "../../src/api/WebHandler.js"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import * as FleetState from "../../src/services/FleetState.js"
import * as HookBus from "../../src/services/HookBus.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import { ADMIN_KEY, KEY } from "./Fixture.js"

export interface Answer {
  readonly status: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
  readonly json: () => any
}

export const reader = (id: string, type = "rtspSession") => ({ type, id })
export const path = (name: string, source: string, ...readers: ReadonlyArray<ReturnType<typeof reader>>) => ({
  name,
  available: true,
  online: true,
  source: { type: source, id: source.endsWith("Source") ? "" : `${name}-source` },
  readers
})

export interface WorldOptions<A> {
  readonly policy?: AuthPolicy.AuthPolicyShape
  /** Services that the state brings as well. */
  readonly more?: Layer.Layer<A>
  readonly metricsKey?: string
  readonly viewerKey?: string
  /** Default: the fixture's. */
  readonly key?: string
  readonly previousKey?: string
}

export const world = <A = never>(value: ConfigSource.ConfigValue, options: WorldOptions<A> = {}) =>
  Effect.gen(function* () {
    const source = yield* ConfigSource.make(value)
    const credentials = Credentials.layer({
      key: Redacted.make(options.key ?? KEY),
      previousKey: options.previousKey === undefined ? undefined : Redacted.make(options.previousKey),
      adminKey: Redacted.make(ADMIN_KEY),
      metricsKey: options.metricsKey === undefined ? undefined : Redacted.make(options.metricsKey),
      viewerKey: options.viewerKey === undefined ? undefined : Redacted.make(options.viewerKey)
    })
    const services = Layer.provideMerge(FleetState.layerMemory(), HookBus.layerMemory()).pipe(
      Layer.provideMerge(NodeRegistry.layerMemory()),
      Layer.provideMerge(ConfigRenderer.layer({ base: "https://example.com" })),
      Layer.provideMerge(Layer.succeed(ConfigSource.ConfigSource, source)),
      Layer.provideMerge(credentials),
      Layer.provideMerge(AuthPolicy.layer(options.policy ?? AuthPolicy.allowAll)),
      Layer.provideMerge(options.more ?? Layer.empty)
    )
    const context = yield* Layer.build(ManagerLayer.layer.pipe(Layer.provideMerge(services)))
    const handler = yield* Effect.provide(WebHandler.make, context)
    const ask = (method: string, url: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
      Effect.promise(async (): Promise<Answer> => {
        const response = await handler(
          new Request(`http://manager.test${url}`, {
            method,
            headers: {
              authorization: `Bearer ${ADMIN_KEY}`,
              ...(body === undefined ? {} : { "content-type": "application/json" }),
              ...headers
            },
            ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
          })
        )
        const text = await response.text()
        return { status: response.status, text, json: () => JSON.parse(text) }
      })
    const render = (node: string) =>
      Effect.flatMap(Effect.provide(ConfigRenderer.ConfigRenderer, context), (renderer) =>
        renderer.render(NodeId.make(node))
      )
    /** What a node's updater reports; the answer that it gets. */
    const beat = (node: string, over: Readonly<Record<string, unknown>> = {}) =>
      Effect.gen(function* () {
        const { hash } = yield* render(node)
        const reply = yield* ask("POST", `/nodes/${node}/heartbeat`, {
          instance: "i",
          mediamtxVersion: "v1.20.1",
          appliedHash: hash,
          status: "ok",
          ...over
        })
        assert.strictEqual(reply.status, 200, reply.text)
        return reply.json()
      })
    return { source, ask, beat, render, context }
  })
