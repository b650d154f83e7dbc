/** The Rollout at work, as the ConfigRenderer that nodes are given. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CommandTextError } from "../mediamtx/CommandText.js"
import * as ConfigPlan from "./ConfigPlan.js"
import * as ConfigRenderer from "./ConfigRenderer.js"
import { ConfigRevisions, documentOf } from "./ConfigRevisions.js"
import { ConfigSource, type ConfigValue, make as makeSource } from "./ConfigSource.js"
import type { Credentials } from "./Credentials.js"
import { ConfigSourceError, type FleetConfig } from "./FleetConfig.js"
import { FleetDocument } from "./FleetDocument.js"
import { FleetState } from "./FleetState.js"
import { hasTurn, planWaves, turnOf } from "./internal/rollout.js"
import { sha256Hex } from "./internal/sha256Hex.js"
import { NodeConfigs } from "./NodeConfigs.js"
import { NodeId } from "./NodeId.js"
import { type NodeRecord, NodeRegistry } from "./NodeRegistry.js"
import {
  Rollout,
  RolloutBehind,
  RolloutError,
  type RolloutFailure,
  type RolloutInfo,
  RolloutNotActive,
  RolloutNotFound,
  type RolloutRecord,
  type RolloutShape,
  type RolloutState,
  RolloutStore,
  type StoredRollouts,
  storePolicy
} from "./Rollout.js"
import { type Disruption, isImmediate, isOpen, type RolloutPolicy } from "./RolloutPolicy.js"

export interface RolloutOptions extends ConfigRenderer.ConfigRendererOptions {
  /** Asked for each change. It does not fail: whoever reads it goes on with the last good one. */
  readonly policy: Effect.Effect<RolloutPolicy>
  /** How often a rollout is looked after while it goes on (default 1 second). */
  readonly every?: Duration.DurationInput | undefined
}

/** How many rollouts beside the newest may give nodes their config: those of changes that came one upon the other. */
const MOST = 3
/** How many changes may come within the moment that it takes to plan one. */
const SPARE = 2
/** How many rollouts are kept. */
const KEPT = 50
/** A failure that has stood for so long is one. */
const LONGEST_DOUBT = 30_000
/** How often a decision is made anew because other managers were faster: each time one of them has got on. */
const ATTEMPTS = 20
/** How many failures a rollout lists. */
const MOST_FAILURES = 100

/** A config in force for some nodes, with everything that was rendered of it. */
interface Slot {
  readonly renderer: ConfigRenderer.ConfigRendererShape
  fleet: FleetConfig
}

/** A change on its way. Without a record it has not been planned yet, and nobody gets it. */
interface Active {
  readonly slot: Slot
  readonly fleet: FleetConfig
  record: RolloutRecord | undefined
  /** By node; those that are not in it are in the last wave. */
  readonly waveOf: Map<NodeId, number>
}

/** How a node that has its turn stands with the new config. `absent`: it is not there to say. */
type Standing = { readonly _tag: "ok" | "pending" | "absent" } | ({ readonly _tag: "bad" } & RolloutFailure)

const textOf = (fleet: FleetConfig): string => JSON.stringify(documentOf(fleet))

/** With the nodes whose own config was refused: they must not be given what is for all others after a restart. */
const Kept = Schema.parseJson(Schema.Struct({ document: FleetDocument, refused: Schema.Array(NodeId) }))
const decodeKept = Schema.decode(Kept)
const keptText = (fleet: FleetConfig): string =>
  JSON.stringify({ document: documentOf(fleet), refused: [...(fleet.refused?.keys() ?? [])] })

const isBehind = (error: unknown): error is RolloutBehind => error instanceof RolloutBehind

const isOver = (state: RolloutState): boolean => state === "completed" || state === "aborted" || state === "superseded"

const count = (nodes: number): string => (nodes === 1 ? "1 node" : `${nodes} nodes`)

/** Both services; they are one. */
export const make = (
  options: RolloutOptions
): Effect.Effect<
  { readonly renderer: ConfigRenderer.ConfigRendererShape; readonly rollout: RolloutShape },
  CommandTextError | RolloutError,
  ConfigSource | Credentials | FleetState | NodeConfigs | NodeRegistry | RolloutStore | Scope.Scope
> =>
  Effect.gen(function* () {
    const source = yield* ConfigSource
    const registry = yield* NodeRegistry
    const configs = yield* NodeConfigs
    const fleetState = yield* FleetState
    const store = yield* RolloutStore
    const revisions = yield* Effect.serviceOption(ConfigRevisions)
    const clock = yield* Effect.clock
    const lock = yield* Effect.makeSemaphore(1)
    // One wish that waits is enough: whoever serves it sees everything up to then.
    const pokes = yield* Queue.sliding<void>(1)
    const every = options.every ?? Duration.seconds(1)

    let latest = yield* source.current
    const live = (): FleetConfig => source.unsafeCurrent?.() ?? latest

    const context = yield* Effect.context<ConfigSource | Credentials>()
    /** A place for one config. It is used once: a renderer remembers the last good config of nodes. */
    const makeSlot = (fleet: FleetConfig): Effect.Effect<Slot, CommandTextError> =>
      Effect.suspend(() => {
        const slot = { fleet }
        return Effect.map(
          ConfigRenderer.make(options).pipe(
            Effect.provideService(ConfigSource, {
              current: Effect.sync(() => slot.fleet),
              unsafeCurrent: () => slot.fleet,
              changes: Stream.empty,
              rejected: Effect.succeed(undefined)
            }),
            Effect.provide(context)
          ),
          (renderer) => Object.assign(slot, { renderer })
        )
      })
    /** For changes that come while a poll is answered, where nothing can be waited for. Made up for right after. */
    const spare: Array<Slot> = []
    const restock = Effect.gen(function* () {
      while (spare.length < SPARE) spare.push(yield* makeSlot(latest))
    })
    yield* restock
    /** What every node had, or was to have, before the changes of the stack. */
    const settled = yield* makeSlot(latest)
    /** Changes that are not over, the newest last. The older ones were superseded, and keep what they had given. */
    let stack: ReadonlyArray<Active> = []
    /** The source's config that was taken up last. */
    let seen: FleetConfig = latest
    /** Finished ones too, in order of their ids. */
    let history: ReadonlyArray<RolloutRecord> = []
    /** The store knows it. */
    let storedSettled: string | undefined
    /** The newest rollout that our own source's config was in: it may be late with what other managers have rolled out. */
    let heard = 0

    // -----------------------------------------------------------------------------------------------------------------
    // Who gets what. Plain and synchronous: every poll asks.

    const waveOf = (active: Active, record: RolloutRecord, node: NodeId) =>
      record.waves[active.waveOf.get(node) ?? record.waves.length - 1] ?? record.waves[0]

    const gives = (active: Active, node: NodeId, now: number): boolean => {
      const { record } = active
      if (record === undefined) return false
      const standsStill = record.state === "halted" || record.state === "superseded"
      return hasTurn(
        waveOf(active, record, node),
        node,
        record.id,
        record.policy.splay,
        standsStill ? record.stateSince : now
      )
    }

    const choose = (node: NodeId): Slot => {
      const now = clock.unsafeCurrentTimeMillis()
      for (let i = stack.length - 1; i >= 0; i--) {
        const active = stack[i]
        if (active !== undefined && gives(active, node, now)) return active.slot
      }
      return settled
    }

    /** Takes up a change of the source: from now on it is somebody's to plan, and nobody's to have. */
    const admit = (fleet: FleetConfig): void => {
      // One that was not planned before the next one came was never given to anybody.
      const planned = stack.filter(({ record }) => record !== undefined)
      // Nodes that have the oldest of too many in between go back to the one before.
      const kept = planned.length > MOST ? planned.slice(1) : planned
      const slot = spare.pop()
      Queue.unsafeOffer(pokes, undefined)
      if (slot === undefined) return
      slot.fleet = fleet
      seen = fleet
      stack = [...kept, { slot, fleet, record: undefined, waveOf: new Map() }]
    }

    const newestSlot = (): Slot => stack.at(-1)?.slot ?? settled

    const renderer: ConfigRenderer.ConfigRendererShape = {
      render: (node, reported) => {
        const fleet = live()
        if (fleet !== seen) admit(fleet)
        if (stack.length === 0) return settled.renderer.render(node, reported)
        const slot = choose(node)
        if (slot === settled) return settled.renderer.render(node, reported)
        const rendered = slot.renderer.render(node, reported)
        if (Exit.isExit(rendered) && Exit.isSuccess(rendered)) return rendered
        // A node that can't be given the new config keeps the old one; that it can't is noticed when its turn is judged.
        return Effect.orElse(rendered, () => settled.renderer.render(node, reported))
      },
      changes: Stream.map(source.changes, ({ revision }) => ({ revision })),
      failures: Effect.suspend(() => newestSlot().renderer.failures),
      preview: (change) =>
        Effect.suspend(() => {
          const { preview } = newestSlot().renderer
          return preview === undefined ? Effect.dieMessage("our own renderers have previews") : preview(change)
        }),
      // Of the config that the node is given now, which is an older one as long as it waits for its turn.
      explain: (node, field) =>
        Effect.suspend(() => {
          const { explain } = choose(node).renderer
          return explain === undefined ? Effect.dieMessage("our own renderers explain") : explain(node, field)
        })
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Keeping

    const hashes = new WeakMap<FleetConfig, string>()
    const hashOf = Effect.fnUntraced(function* (fleet: FleetConfig) {
      const known = hashes.get(fleet)
      if (known !== undefined) return known
      const hash = yield* sha256Hex(textOf(fleet))
      hashes.set(fleet, hash)
      return hash
    })

    const remember = (record: RolloutRecord): void => {
      history = [...history.filter(({ id }) => id !== record.id), record].sort((a, b) => a.id - b.id).slice(-KEPT)
    }

    /** Writes down what will be in force, before it is. */
    const save = Effect.fnUntraced(function* (
      next: { readonly settled: FleetConfig; readonly stack: ReadonlyArray<Active> },
      changed: ReadonlyArray<RolloutRecord>
    ) {
      const fleets = [next.settled, ...next.stack.map(({ fleet }) => fleet)]
      const texts = new Map<string, string>()
      for (const fleet of fleets) texts.set(yield* hashOf(fleet), keptText(fleet))
      const hash = yield* hashOf(next.settled)
      yield* store.save({
        settled: hash,
        stack: next.stack.flatMap(({ record }) => (record === undefined ? [] : [record.id])),
        rollouts: changed,
        oldest: Math.max(0, (changed.at(-1)?.id ?? history.at(-1)?.id ?? 0) - KEPT + 1),
        configs: texts,
        keep: new Set(texts.keys())
      })
      storedSettled = hash
      for (const record of changed) remember(record)
    })

    /** Time that it has stood still counts for nobody's turn. */
    const moving = (record: RolloutRecord, now: number): RolloutRecord =>
      record.state !== "halted"
        ? record
        : {
            ...record,
            waves: mapWaves(record.waves, (wave) =>
              wave.releasedAt === null ? wave : { ...wave, paused: wave.paused + now - record.stateSince }
            )
          }
    const into = (record: RolloutRecord, state: RolloutState, reason: string, now: number): RolloutRecord => ({
      ...moving(record, now),
      state,
      reason,
      stateSince: now
    })

    // -----------------------------------------------------------------------------------------------------------------
    // Judging

    const standing = (
      active: Active,
      record: RolloutRecord,
      node: NodeId,
      known: NodeRecord | undefined,
      now: number
    ): Effect.Effect<Standing> =>
      Effect.gen(function* () {
        if (known === undefined) return { _tag: "absent" }
        const turn = turnOf(waveOf(active, record, node), node, record.id, record.policy.splay)
        if (known.status !== "online") {
          return known.statusSince <= turn
            ? { _tag: "absent" }
            : { _tag: "bad", node, reason: "silent", message: `it is ${known.status} since it was given the config` }
        }
        const rendered = yield* Effect.either(active.slot.renderer.render(node, known))
        if (Either.isLeft(rendered)) {
          return { _tag: "bad", node, reason: "unrenderable", message: rendered.left.message }
        }
        configs.unsafeNote(node, rendered.right.hash)
        const config = configs.unsafeGet(node)
        const status = config?.configStatus
        if (status === "applied") return { _tag: "ok" }
        if (status === "failed") {
          // What it says once may be of the moment before: it has to say it twice.
          const interval = known.dueAt === null ? 0 : known.dueAt - known.lastSeen
          if (now - (config?.configSince ?? now) < Math.min(interval + 1000, LONGEST_DOUBT)) return { _tag: "pending" }
          return { _tag: "bad", node, reason: "failed", message: configs.unsafeError(node) ?? "it does not say why" }
        }
        // It promises no calls and says nothing of its config: there is nothing to wait for.
        if (status === "unknown" && known.dueAt === null) return { _tag: "absent" }
        if (now - turn <= record.policy.deadline) return { _tag: "pending" }
        const minutes = Duration.format(Duration.millis(record.policy.deadline))
        return { _tag: "bad", node, reason: "late", message: `it has not applied the config within ${minutes}` }
      })

    const listNodes = Effect.map(
      registry.list.pipe(
        Effect.tapError((error) => Effect.logWarning("a rollout can't see the nodes", error)),
        Effect.orElseSucceed((): ReadonlyArray<NodeRecord> => [])
      ),
      (records) => new Map(records.map((record) => [record.id, record]))
    )

    /** What the wave would interrupt of what has to wait for a window; undefined: nothing. */
    const interrupts = Effect.fnUntraced(function* (active: Active, record: RolloutRecord, index: number) {
      const { hold } = record.policy
      if (hold === null) return undefined
      const kinds = new Set<Disruption>(hold.for)
      const known = yield* listNodes
      const ids = record.waves[index]?.nodes ?? []
      const plan = yield* ConfigPlan.plan(
        {
          ...settled.renderer,
          preview: () =>
            Effect.succeed({
              before: settled.fleet,
              after: active.fleet,
              render: (node, reported) => Effect.map(active.slot.renderer.render(node, reported), ({ yaml }) => yaml)
            })
        },
        {
          change: {},
          nodes: ids.map((id) => ({ id, record: known.get(id) })),
          snapshot: yield* Effect.option(fleetState.snapshot).pipe(Effect.map(Option.getOrUndefined))
        }
      )
      for (const { impact, node } of plan.nodes) {
        if (impact === null) continue
        const { connections, readers, streams } = impact.drops
        const what =
          kinds.has("node") && impact.scope === "node"
            ? "everything on it restarts"
            : kinds.has("mayEnd") && impact.mayEnd
              ? "its server may end"
              : kinds.has("listeners") && (impact.scope === "listeners" || impact.scope === "node")
                ? `listeners restart (${impact.listeners.map(({ listener }) => listener).join(", ")})`
                : kinds.has("paths") && streams + readers + connections > 0
                  ? `${streams} streams, ${readers} readers and ${connections} connections drop`
                  : undefined
        if (what !== undefined) return `on node ${node} ${what}`
      }
      return undefined
    })

    const assign = (active: Active, record: RolloutRecord): void => {
      active.record = record
      active.waveOf.clear()
      for (const [index, { nodes }] of record.waves.entries()) for (const node of nodes) active.waveOf.set(node, index)
    }

    /** Changes that came after this one while it was being written down. */
    const after = (active: Active): ReadonlyArray<Active> => {
      const at = stack.indexOf(active)
      return at === -1 ? stack.filter(({ record }) => record === undefined) : stack.slice(at + 1)
    }

    /** The config is what every node has; the rollouts behind it are over. */
    const settle = (active: Active): void => {
      // Rendered anew in the settled slot, which remembers the last good config of nodes that can't be given this one.
      settled.fleet = active.fleet
      stack = after(active)
    }

    const plan = Effect.fnUntraced(function* (active: Active) {
      const policy = yield* options.policy
      const below = stack.filter((each) => each !== active)
      if (isImmediate(policy) && below.length === 0 && storedSettled === undefined) return settle(active)
      const now = clock.unsafeCurrentTimeMillis()
      const to = yield* hashOf(active.fleet)
      const from = yield* hashOf(settled.fleet)
      const known = history.find((record) => record.id > heard && record.to === to)
      if (store.shared !== undefined && known !== undefined) {
        // Another manager has seen this change before, and perhaps the next one as well.
        heard = known.id
        stack = stack.filter((each) => each !== active)
        return
      }
      const superseded = below.flatMap(({ record }) =>
        record === undefined || isOver(record.state) ? [] : [{ active: record, record }]
      )
      if (to === from) {
        const over = superseded.map(({ record }) => into(record, "aborted", "the config was changed back", now))
        yield* save({ settled: active.fleet, stack: [] }, over)
        return settle(active)
      }
      if (isImmediate(policy) && below.length === 0) {
        yield* save({ settled: active.fleet, stack: [] }, [])
        return settle(active)
      }
      const id = (history.at(-1)?.id ?? 0) + 1
      const nodes = [...(yield* listNodes).values()].map((node) => ({ id: node.id, up: node.status === "online" }))
      const waves = planWaves(policy, nodes, active.fleet.labels, id).map((wave) => ({
        nodes: wave,
        releasedAt: null,
        paused: 0,
        wellSince: null
      }))
      const [head, ...tail] = waves
      if (head === undefined) return yield* Effect.dieMessage("there is a last wave")
      const revision = Option.isSome(revisions) ? yield* revisions.value.newest : undefined
      const record: RolloutRecord = {
        id,
        state: "running",
        stateSince: now,
        reason: "",
        createdAt: now,
        from,
        to,
        revision: revision?.hash === to ? revision.revision : null,
        failures: [],
        policy: storePolicy(policy),
        waves: [head, ...tail],
        excused: [],
        promoted: false
      }
      const over = superseded.map(({ record: old }) => into(old, "superseded", `by rollout ${id}`, now))
      const nextBelow = below.map((each): Active => {
        const next = over.find(({ id: old }) => old === each.record?.id)
        return next === undefined ? each : { ...each, record: next }
      })
      const top: Active = { ...active, record, waveOf: new Map() }
      assign(top, record)
      yield* save({ settled: settled.fleet, stack: [...nextBelow, top] }, [...over, record])
      // Another change may have come while this was written: it takes this one's place with its own plan.
      stack = [...nextBelow, top, ...after(active)]
      heard = id
      yield* Effect.logInfo(
        `rollout ${id}: ${count(nodes.length)} in ${waves.length === 1 ? "one wave" : `${waves.length} waves`}`
      )
    })

    /** Replaces the record of the newest change, on disk and then in force. */
    const update = Effect.fnUntraced(function* (active: Active, record: RolloutRecord) {
      const next: Active = { ...active, record }
      yield* save({ settled: settled.fleet, stack: stack.map((each) => (each === active ? next : each)) }, [record])
      stack = stack.map((each) => (each === active ? next : each))
    })

    const advance = Effect.fnUntraced(function* (active: Active, record: RolloutRecord) {
      const now = clock.unsafeCurrentTimeMillis()
      const known = yield* listNodes
      const excused = new Set(record.excused)
      const failures: Array<RolloutFailure> = []
      const waves: Array<RolloutRecord["waves"][number]> = []
      let last = -1
      for (const [index, wave] of record.waves.entries()) {
        if (wave.releasedAt === null) {
          waves.push(wave)
          continue
        }
        last = index
        let well = true
        for (const node of wave.nodes) {
          if (!hasTurn(wave, node, record.id, record.policy.splay, now)) {
            // Whoever is not there has no turn to wait for.
            if (known.has(node)) well = false
            continue
          }
          const found = yield* standing(active, record, node, known.get(node), now)
          if (found._tag === "pending") well = false
          if (found._tag === "bad") {
            if (failures.length < MOST_FAILURES) {
              failures.push({ node: found.node, reason: found.reason, message: found.message })
            }
          }
        }
        waves.push({ ...wave, wellSince: well ? (wave.wellSince ?? now) : null })
      }
      const [head, ...tail] = waves
      if (head === undefined) return
      let next: RolloutRecord = { ...record, failures, waves: [head, ...tail] }
      /** Said when it is so. */
      let said: string | undefined
      const counted = failures.filter(({ node }) => !excused.has(node))
      if (!record.promoted && counted.length > record.policy.tolerate) {
        const [worst] = counted
        const reason = `${counted.length === 1 ? "1 node does" : `${counted.length} nodes do`} not live with it; ${worst?.node}: ${worst?.message}`
        yield* update(active, into(next, "halted", reason, now))
        return yield* Effect.logError(`rollout ${record.id} is halted: ${reason}`)
      }
      const final = last === next.waves.length - 1
      const wellSince = Math.max(
        ...next.waves.slice(0, last + 1).map((wave) => wave.wellSince ?? Number.POSITIVE_INFINITY)
      )
      const soaked = final || record.promoted ? wellSince <= now : now - wellSince >= record.policy.soak
      if (last === -1 || (soaked && !final)) {
        const index = last + 1
        const { hold } = record.policy
        const shut =
          hold !== null &&
          !isOpen({ ...hold.window, days: hold.window.days === null ? undefined : new Set(hold.window.days) }, now)
        const what = shut
          ? yield* interrupts(active, record, index).pipe(
              Effect.orElseSucceed(() => "what it interrupts can't be told")
            )
          : undefined
        if (what !== undefined) {
          const reason = `wave ${index + 1} waits for ${hold?.window.text}: ${what}`
          next = record.state === "held" && record.reason === reason ? next : into(next, "held", reason, now)
          if (next.state !== record.state) said = `rollout ${record.id} is held: ${reason}`
        } else {
          next = {
            ...(record.state === "running" ? next : into(next, "running", "", now)),
            waves: mapWaves(next.waves, (wave, at) => (at === index ? { ...wave, releasedAt: now } : wave))
          }
          said = `rollout ${record.id}: wave ${index + 1} of ${next.waves.length} is released (${count(next.waves[index]?.nodes.length ?? 0)})`
        }
      } else if (soaked && final) {
        const done = into(next, "completed", "", now)
        yield* save({ settled: active.fleet, stack: [] }, [done])
        settle(active)
        return yield* Effect.logInfo(`rollout ${record.id} is complete`)
      }
      if (!sameProgress(record, next)) yield* update(active, next)
      if (said !== undefined) yield* Effect.logInfo(said)
    })

    // -----------------------------------------------------------------------------------------------------------------
    // What is kept, and what other managers keep

    let restored = 0
    const restore = Effect.fnUntraced(function* (hash: string) {
      const text = yield* store.config(hash)
      const lost = (cause?: unknown) =>
        new RolloutError({ message: `the config ${hash.slice(0, 12)} of a rollout can't be read back`, cause })
      if (text === undefined) return yield* lost()
      const { document, refused } = yield* Effect.mapError(decodeKept(text), () => lost())
      const { base, ...rest } = document
      // Of unknown shape until it has been validated there.
      const value = { config: base, ...rest } as ConfigValue
      const made = yield* makeSource(value).pipe(Effect.mapError(lost))
      // Revisions tell what was rendered of what: these must not be those of the source's own.
      restored++
      const why = (node: NodeId) =>
        new ConfigSourceError({
          origin: "rollout",
          message: `the config of node ${node} was refused before the restart`
        })
      const fleet: FleetConfig = {
        ...(yield* made.current),
        revision: -restored,
        ...(refused.length > 0 && { refused: new Map(refused.map((node) => [node, why(node)])) })
      }
      hashes.set(fleet, hash)
      return fleet
    })

    /**
     * Puts in force what is kept. A config that is in force already stays where it is, with everything that was rendered of it.
     * `lost` is for a rollout whose config can't be read back.
     */
    const adopt = Effect.fnUntraced(function* <E>(
      stored: StoredRollouts & { readonly settled: string },
      lost: (id: number, error: RolloutError) => Effect.Effect<void, E>
    ) {
      const fleets = new Map<string, FleetConfig>()
      for (const fleet of [live(), settled.fleet, ...stack.map((each) => each.fleet)]) {
        fleets.set(yield* hashOf(fleet), fleet)
      }
      const fleetOf = (hash: string): Effect.Effect<FleetConfig, RolloutError> => {
        const known = fleets.get(hash)
        return known === undefined
          ? Effect.tap(restore(hash), (fleet) => Effect.sync(() => fleets.set(hash, fleet)))
          : Effect.succeed(known)
      }
      const below = (yield* hashOf(settled.fleet)) === stored.settled ? settled.fleet : yield* fleetOf(stored.settled)
      const planned: Array<Active> = []
      for (const id of stored.stack.slice(-MOST - 1)) {
        const record = stored.rollouts.find((each) => each.id === id)
        if (record === undefined) continue
        const known = stack.find((each) => each.record?.id === id)
        if (known !== undefined) {
          planned.push({ ...known, record })
          continue
        }
        const fleet = yield* Effect.either(fleetOf(record.to))
        if (Either.isLeft(fleet)) {
          yield* lost(id, fleet.left)
          continue
        }
        const each: Active = { slot: yield* makeSlot(fleet.right), fleet: fleet.right, record, waveOf: new Map() }
        assign(each, record)
        planned.push(each)
      }
      settled.fleet = below
      // A change of our own source that waits to be planned stays on top.
      stack = [...planned, ...stack.filter(({ record }) => record === undefined)]
      history = stored.rollouts
      storedSettled = stored.settled
    })

    /** What was read and is not in force yet. */
    let owed: StoredRollouts | undefined
    const catchUp: Effect.Effect<void, RolloutError> = Effect.gen(function* () {
      owed = (yield* store.shared?.news ?? Effect.succeed(undefined)) ?? owed
      if (owed === undefined) return
      const { settled: hash } = owed
      if (hash !== undefined) {
        yield* Effect.catchTag(
          adopt({ ...owed, settled: hash }, (_, error) => error),
          "CommandTextError",
          Effect.die
        )
      }
      owed = undefined
    })

    /** Decides on what every manager has written; anew when another one was faster. */
    const decide = <A, E>(body: Effect.Effect<A, E | RolloutBehind>) =>
      Effect.zipRight(catchUp, body).pipe(
        Effect.retry({ while: isBehind, times: ATTEMPTS }),
        Effect.catchIf(isBehind, ({ message }) => Effect.fail(new RolloutError({ message }))),
        lock.withPermits(1),
        Effect.uninterruptible
      )

    let troubled = false
    const step = decide(
      Effect.gen(function* () {
        // What the options have made once they make again.
        yield* Effect.orDie(restock)
        const fleet = live()
        if (fleet !== seen) admit(fleet)
        const unplanned = stack.at(-1)
        if (unplanned !== undefined && unplanned.record === undefined) yield* plan(unplanned)
        const top = stack.at(-1)
        if (top?.record !== undefined && (top.record.state === "running" || top.record.state === "held")) {
          yield* advance(top, top.record)
        }
        troubled = false
      })
    ).pipe(
      Effect.catchAll((error) => {
        if (troubled) return Effect.void
        troubled = true
        return Effect.logError("a rollout can't go on for now: nobody else gets the new config", error)
      })
    )

    // -----------------------------------------------------------------------------------------------------------------
    // The start

    const stored = yield* store.load
    history = stored.rollouts
    storedSettled = stored.settled
    heard = history.at(-1)?.id ?? 0
    if (stored.settled !== undefined) {
      const adopted = yield* Effect.either(
        adopt({ ...stored, settled: stored.settled }, (id, error) =>
          Effect.logError(`rollout ${id} is left out`, error)
        )
      )
      if (Either.isLeft(adopted)) {
        if (adopted.left._tag === "CommandTextError") return yield* adopted.left
        yield* Effect.logError("rollouts begin anew: every node gets the newest config", adopted.left)
      } else {
        const current = yield* hashOf(latest)
        const last = history.at(-1)
        const top = stack.at(-1)?.record
        const taken =
          top === undefined
            ? stored.settled === current || (last?.state === "aborted" && last.to === current)
            : top.to === current
        if (!taken) admit(latest)
      }
    }

    // Known from the first change on, so that one that is made while the manager is down is rolled out as well.
    if (stored.settled === undefined && !isImmediate(yield* options.policy)) {
      yield* Effect.catchTag(save({ settled: latest, stack: [] }, []), "RolloutBehind", () => Effect.void)
    }

    if (store.shared !== undefined) {
      yield* Effect.forkScoped(Stream.runForEach(store.shared.changes, () => Queue.offer(pokes, undefined)))
    }
    yield* source.changes.pipe(
      Stream.runForEach((fleet) =>
        Effect.zipRight(
          Effect.sync(() => {
            latest = fleet
          }),
          Queue.offer(pokes, undefined)
        )
      ),
      Effect.forkScoped
    )
    yield* Effect.suspend(() =>
      stack.length > 0 ? Effect.timeoutOption(Queue.take(pokes), every) : Queue.take(pokes)
    ).pipe(Effect.zipRight(step), Effect.forever, Effect.forkScoped)
    yield* Queue.offer(pokes, undefined)

    // -----------------------------------------------------------------------------------------------------------------
    // What is shown, and what people decide

    const find = (id: number): Effect.Effect<RolloutRecord, RolloutNotFound> => {
      const found = history.find((record) => record.id === id)
      return found === undefined
        ? Effect.fail(
            new RolloutNotFound({
              id,
              message: `there is no rollout ${id}, or it is too long ago: GET /rollouts lists them`
            })
          )
        : Effect.succeed(found)
    }

    const nodesOf = (record: RolloutRecord) => {
      const now = clock.unsafeCurrentTimeMillis()
      const active = stack.find((each) => each.record?.id === record.id)
      return record.waves.flatMap((wave, index) =>
        wave.nodes.map((node) => {
          const turn = turnOf(wave, node, record.id, record.policy.splay)
          return {
            node,
            wave: index,
            given:
              active === undefined
                ? record.state === "completed"
                : choose(node) === active.slot && gives(active, node, now),
            turn: Number.isFinite(turn) ? Math.round(turn) : null,
            status: configs.unsafeGet(node)?.configStatus ?? ("unknown" as const)
          }
        })
      )
    }

    const show = (record: RolloutRecord): RolloutInfo => {
      const nodes = nodesOf(record)
      const { createdAt, failures, from, id, promoted, reason, revision, state, stateSince, to } = record
      return {
        ...{ id, state, stateSince, reason, createdAt, from, to, revision, failures, promoted },
        waves: record.waves.map((wave, index) => {
          const of = nodes.filter((each) => each.wave === index)
          return {
            nodes: of.length,
            given: of.filter(({ given }) => given).length,
            applied: of.filter(({ given, status }) => given && status === "applied").length,
            releasedAt: wave.releasedAt
          }
        })
      }
    }

    const act = (
      id: number,
      allowed: ReadonlyArray<RolloutState>,
      change: (active: Active, record: RolloutRecord, now: number) => Effect.Effect<void, RolloutError | RolloutBehind>
    ) =>
      Effect.gen(function* () {
        const record = yield* find(id)
        const top = stack.findLast((each) => each.record !== undefined)
        if (top === undefined || top.record?.id !== id || !allowed.includes(record.state)) {
          return yield* new RolloutNotActive({
            id,
            state: record.state,
            message: isOver(record.state)
              ? `rollout ${id} is ${record.state}: nothing can be done about it any more`
              : `rollout ${id} is ${record.state}: this needs one that is ${allowed.join(" or ")}`
          })
        }
        yield* change(top, top.record, clock.unsafeCurrentTimeMillis())
        yield* Queue.offer(pokes, undefined)
        return show(yield* Effect.orDie(find(id)))
      }).pipe(decide)

    /** What others have done since; while that can't be read, what is known. */
    const fresh = store.shared === undefined ? Effect.void : Effect.ignore(decide(Effect.void))

    const rollout = Rollout.of({
      look: step,
      list: Effect.zipRight(
        fresh,
        Effect.sync(() => [...history].reverse().map(show))
      ),
      get: (id) =>
        Effect.map(Effect.zipRight(fresh, find(id)), (record) => ({ ...show(record), nodes: nodesOf(record) })),
      resume: (id) =>
        act(id, ["halted"], (active, record, now) =>
          update(active, {
            ...into(record, "running", "", now),
            excused: [...new Set([...record.excused, ...record.failures.map(({ node }) => node)])]
          })
        ),
      abort: (id) =>
        act(id, ["running", "held", "halted"], (active, record, now) =>
          Effect.gen(function* () {
            yield* save({ settled: settled.fleet, stack: [] }, [
              into(record, "aborted", "somebody has decided so", now)
            ])
            stack = after(active)
            yield* Effect.logWarning(`rollout ${id} was aborted: every node gets the config from before it`)
          })
        ),
      promote: (id) =>
        act(id, ["running", "held", "halted"], (active, record, now) => {
          const next = into(record, "running", "", now)
          return update(active, {
            ...next,
            promoted: true,
            policy: { ...next.policy, splay: 0, hold: null },
            waves: mapWaves(next.waves, (wave) => ({ ...wave, releasedAt: wave.releasedAt ?? now }))
          })
        })
    })

    return { renderer, rollout }
  })

type Waves = RolloutRecord["waves"]
const mapWaves = (waves: Waves, f: (wave: Waves[number], index: number) => Waves[number]): Waves => {
  const [head, ...tail] = waves
  return [f(head, 0), ...tail.map((wave, index) => f(wave, index + 1))]
}

/** Nothing that would be worth a write. */
const sameProgress = (a: RolloutRecord, b: RolloutRecord): boolean =>
  a.state === b.state &&
  a.reason === b.reason &&
  a.failures.length === b.failures.length &&
  a.failures.every(
    (failure, i) => failure.node === b.failures[i]?.node && failure.message === b.failures[i]?.message
  ) &&
  a.waves.every((wave, i) => {
    const other = b.waves[i]
    return wave.releasedAt === other?.releasedAt && wave.wellSince === other?.wellSince
  })

/** A ConfigRenderer by whose rollouts changes come to the nodes. */
export const layer = (
  options: RolloutOptions
): Layer.Layer<
  ConfigRenderer.ConfigRenderer | Rollout,
  CommandTextError | RolloutError,
  ConfigSource | Credentials | FleetState | NodeConfigs | NodeRegistry | RolloutStore
> =>
  Layer.scopedContext(
    Effect.map(make(options), ({ renderer, rollout }) =>
      Context.make(ConfigRenderer.ConfigRenderer, renderer).pipe(Context.add(Rollout, rollout))
    )
  )
