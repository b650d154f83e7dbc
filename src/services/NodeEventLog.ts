/**
 * NodeEventLog: puts what the NodeRegistry notices onto the HookBus, so that one log tells the whole story.
 *
 * The registry never waits for the bus. While the bus can't be written, changes wait in the registry's buffer for this
 * subscriber (see `NodeRegistry.changes`) and are tried again; beyond that buffer the oldest are lost.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { HookBus } from "./HookBus.js"
import { inOrderOfNodes } from "./internal/inOrderOfNodes.js"
import { type NodeChange, NodeRegistry } from "./NodeRegistry.js"

/** After 50 ms, 100 ms, … then every 5 seconds, for as long as the layer lives. */
const FIRST_PAUSE = "50 millis"
const retryPolicy = Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))

/** How long the end of the layer waits for the bus to take what is left. */
const DRAIN_TIME = "3 seconds"

/**
 * Forwards every change from now on. The changes of one node reach the bus in their order, and one at a time; those of
 * different nodes together, so that 10,000 nodes going offline in one moment cost a few commits. Each is retried until the
 * bus takes it. When the scope closes, what is left is still forwarded, for three seconds at most.
 */
export const make: Effect.Effect<void, never, HookBus | NodeRegistry | Scope.Scope> = Effect.gen(function* () {
  const bus = yield* HookBus
  const registry = yield* NodeRegistry
  // A scope of its own: it is closed first, so that nothing is added while the rest is drained.
  const subscription = yield* Scope.make()
  const mailbox = yield* Scope.extend(registry.subscribe, subscription)

  const publish = (change: NodeChange) => {
    if (change.byOther === true) return Effect.void
    const once = bus
      .publish(change.node, change.event)
      .pipe(
        Effect.tapError((error) =>
          Effect.logWarning(`"${change.event.event}" of node "${change.node}" could not be logged`, error)
        )
      )
    return Effect.catchAll(Effect.asVoid(once), (error) =>
      // A bus that was shut down takes nothing any more.
      error.reason === "Closed"
        ? Effect.void
        : once.pipe(
            Effect.retry({ schedule: retryPolicy, while: ({ reason }) => reason !== "Closed" }),
            Effect.ignore,
            Effect.delay(FIRST_PAUSE)
          )
    )
  }

  const fiber = yield* Effect.forkScoped(Effect.interruptible(inOrderOfNodes(mailbox, publish)))
  yield* Effect.addFinalizer(() =>
    Effect.zipRight(
      Scope.close(subscription, Exit.void),
      // Finalizers can't be interrupted, and often run because their fiber was: only another one can wait with a limit.
      Effect.flatMap(
        Effect.fork(Effect.interruptible(Effect.timeoutOption(Fiber.await(fiber), DRAIN_TIME))),
        Fiber.join
      )
    )
  )
})

export const layer: Layer.Layer<never, never, HookBus | NodeRegistry> = Layer.scopedDiscard(make)
