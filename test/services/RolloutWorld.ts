/** A Rollout over the real services in memory, on a source, a store and a policy that outlive it. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { ConfigRenderer } from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import * as FleetState from "../../src/services/FleetState.js"
import * as HookBus from "../../src/services/HookBus.js"
import * as NodeConfigs from "../../src/services/NodeConfigs.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import * as Rollout from "../../src/services/Rollout.js"
import { immediate, type RolloutPolicy } from "../../src/services/RolloutPolicy.js"
import * as RolloutRenderer from "../../src/services/RolloutRenderer.js"

export const node = (id: string) => NodeId.make(id)
export const config = (name: string) => ({ config: { paths: { [name]: {} } } })

export const rolloutWorld = (policy: Partial<RolloutPolicy>) =>
  Effect.gen(function* () {
    const made = yield* ConfigSource.make(config("a"))
    let replaced: ConfigSource.FleetConfig | undefined
    const source = {
      ...made,
      unsafeCurrent: () => replaced ?? made.unsafeCurrent?.() ?? Effect.runSync(made.current),
      /** Puts a config in force that no value could be set to. */
      unsafeReplace: (fleet: ConfigSource.FleetConfig) => {
        replaced = fleet
      }
    }
    const state = { policy: { ...immediate, ...policy } }
    const store = yield* Rollout.makeMemoryStore
    const nodes = yield* Layer.build(
      Layer.mergeAll(NodeConfigs.layerMemory(), FleetState.layerMemory()).pipe(
        Layer.provideMerge(Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory()))
      )
    )
    const registry = Context.get(nodes, NodeRegistry.NodeRegistry)
    const configs = Context.get(nodes, NodeConfigs.NodeConfigs)
    const layer = RolloutRenderer.layer({
      base: "https://example.com",
      policy: Effect.sync(() => state.policy)
    }).pipe(
      Layer.provide(Layer.succeed(ConfigSource.ConfigSource, source)),
      Layer.provide(Layer.succeed(Rollout.RolloutStore, store)),
      Layer.provide(Credentials.layer({ key: Redacted.make("key-of-the-tests") })),
      Layer.provide(Layer.succeedContext(nodes))
    )
    let scope = yield* Scope.make()
    let services = yield* Layer.buildWithScope(layer, scope)
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))

    const pass = (seconds: number) =>
      Effect.zipRight(
        TestClock.adjust(`${seconds} seconds`),
        Effect.suspend(() => rollout().look)
      )

    const rollout = () => Context.get(services, Rollout.Rollout)
    const renderer = () => Context.get(services, ConfigRenderer)
    /** The name of the one path in what the node is given. */
    const given = (id: string) =>
      Effect.map(
        Effect.orDie(renderer().render(node(id))),
        ({ yaml }) => /^ {2}"?([a-z]+)"?: \{\}$/m.exec(yaml)?.[1] ?? "?"
      )
    /** The node polls and reports; by default what it has been given, and that it lives with it. */
    const beat = (id: string, over: { readonly error?: string; readonly applied?: string } = {}) =>
      Effect.gen(function* () {
        const record = yield* Effect.orDie(
          registry.heartbeat(node(id), {
            instance: "i",
            status: over.error === undefined ? "ok" : "failed",
            every: 10,
            ...(over.error === undefined ? {} : { error: over.error })
          })
        )
        const { hash } = yield* Effect.orDie(renderer().render(node(id), record))
        configs.unsafeNote(node(id), hash, {
          applied: over.applied ?? (over.error === undefined ? hash : undefined),
          error: record.error
        })
      })
    const beats = (ids: ReadonlyArray<string>) => Effect.forEach(ids, (id) => beat(id), { discard: true })
    const set = (name: string) => Effect.zipRight(Effect.orDie(source.set(config(name))), pass(0))
    const restart = Effect.gen(function* () {
      yield* Scope.close(scope, Exit.void)
      scope = yield* Scope.make()
      services = yield* Effect.orDie(Layer.buildWithScope(layer, scope))
      yield* pass(0)
    })
    /** Everything is closed; the source may change meanwhile. */
    const whileDown = <A>(effect: Effect.Effect<A>) =>
      Effect.gen(function* () {
        yield* Scope.close(scope, Exit.void)
        yield* effect
        scope = yield* Scope.make()
        services = yield* Effect.orDie(Layer.buildWithScope(layer, scope))
        yield* pass(0)
      })
    const newest = Effect.map(
      Effect.suspend(() => rollout().list),
      ([first]) => first
    )
    return {
      source,
      state,
      store,
      registry,
      configs,
      rollout,
      given,
      beat,
      beats,
      set,
      pass,
      restart,
      whileDown,
      newest
    }
  })
