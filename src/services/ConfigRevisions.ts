/**
 * ConfigRevisions: every config of the fleet that was accepted, numbered, with who made it, when, why, and what changed.
 *
 * Nothing is ever overwritten. To go back is a new revision that holds what an older one held. Every revision was valid for
 * every node when it was made: what is not valid is refused, all of it.
 *
 * `source` makes a ConfigSource of it, which gives nodes the newest revision. `recorded` keeps the history of another source,
 * a config folder say, whose edits are then the only ones.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type ConfigIssue, InvalidConfig } from "../mediamtx/ConfigIssue.js"
import { sha256 } from "./AuthPolicy/Sha256.js"
import { ConfigSource, type ConfigSourceShape } from "./ConfigSource.js"
import { ConfigSourceError, type FleetConfig } from "./FleetConfig.js"
import { type DocumentChange, diffDocuments } from "./FleetDiff.js"
import { FleetDocument, readNodes } from "./FleetDocument.js"
import { inDocument, judgeInSteps, makeValidators } from "./internal/configSource.js"
import type { NodeId } from "./NodeId.js"
import { RevisionInfo } from "./RevisionInfo.js"

export { LONGEST_AUTHOR, LONGEST_NOTE, RevisionInfo } from "./RevisionInfo.js"

/**
 * A revision with its config, secrets and all.
 *
 * @since 0.1.0
 * @category models
 */
export interface Revision extends RevisionInfo {
  readonly config: FleetDocument
}

/** The revisions could not be read or written. */
export class ConfigRevisionsError extends Schema.TaggedError<ConfigRevisionsError>()("ConfigRevisionsError", {
  reason: Schema.Literal("ReadFailed", "WriteFailed"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/** There is no such revision, or it is no longer kept. */
export class RevisionNotFound extends Schema.TaggedError<RevisionNotFound>()("RevisionNotFound", {
  revision: Schema.Int,
  message: Schema.String
}) {}

/** The change was made from another revision than the newest: somebody else has been faster. */
export class RevisionConflict extends Schema.TaggedError<RevisionConflict>()("RevisionConflict", {
  /** What the change was made from. */
  expected: Schema.Int,
  /** The newest. Null: there is none. */
  newest: Schema.NullOr(RevisionInfo),
  message: Schema.String
}) {}

/** This manager takes its config from elsewhere. */
export class RevisionsReadOnly extends Schema.TaggedError<RevisionsReadOnly>()("RevisionsReadOnly", {
  message: Schema.String
}) {}

/** What `append` and `rollback` say when nothing has changed: there is no revision of nothing. */
export interface Appended {
  readonly revision: Revision
  /** False: the config is what the newest revision holds already, which this is. */
  readonly created: boolean
  /** What works but is deprecated or dangerous. */
  readonly warnings: ReadonlyArray<ConfigIssue>
}

export interface AppendInput {
  readonly config: FleetDocument
  readonly author: string
  readonly note?: string | undefined
  /** The revision that the change was made from; 0 when there was none. Absent: whatever is newest. */
  readonly expected?: number | undefined
  /** Nodes that are known to exist: the config is tried on them as well as on what labels allow. */
  readonly known?: ReadonlyArray<NodeId> | undefined
}

export interface RollbackInput extends Omit<AppendInput, "config"> {
  readonly to: number
}

export type AppendError = InvalidConfig | RevisionConflict | RevisionsReadOnly | ConfigRevisionsError

export interface ConfigRevisionsShape {
  /** The newest, from memory. Undefined before the first. */
  readonly newest: Effect.Effect<Revision | undefined>
  readonly get: (revision: number) => Effect.Effect<Revision, RevisionNotFound | ConfigRevisionsError>
  /** The newest first: those before `before`, at most `limit` (default 50). */
  readonly list: (options?: {
    readonly before?: number | undefined
    readonly limit?: number | undefined
  }) => Effect.Effect<ReadonlyArray<RevisionInfo>, ConfigRevisionsError>
  /** Takes a whole config, if it is valid for every node. */
  readonly append: (input: AppendInput) => Effect.Effect<Appended, AppendError>
  /** A new revision with the config of an older one. It is judged by today's rules. */
  readonly rollback: (input: RollbackInput) => Effect.Effect<Appended, AppendError | RevisionNotFound>
  /** What differs between two revisions, without secrets. From 0: everything is new. */
  readonly diff: (
    from: number,
    to: number
  ) => Effect.Effect<ReadonlyArray<DocumentChange>, RevisionNotFound | ConfigRevisionsError>
  /** Each new revision, from now on. Who is 64 behind loses the oldest. */
  readonly changes: Stream.Stream<RevisionInfo>
  /** Why there can be no `append`. Undefined: there can. */
  readonly readOnly: string | undefined
  /** Looks whether another manager on the same database has made a newer one, and puts it in force here. */
  readonly refresh: Effect.Effect<void, ConfigRevisionsError | ConfigSourceError>
  /** The newest as the fleet's config. Undefined before the first. */
  readonly unsafeFleet: () => FleetConfig | undefined
  /** Each change of that. */
  readonly fleets: Stream.Stream<FleetConfig>
  /** The change that was refused last, until one is taken. */
  readonly rejected: Effect.Effect<InvalidConfig | undefined>
  /** Keeps a config that is in force already, for `recorded`: it is not judged. */
  readonly record: (input: {
    readonly config: FleetDocument
    readonly author: string
    readonly note: (changes: ReadonlyArray<DocumentChange>) => string
  }) => Effect.Effect<Revision, ConfigRevisionsError>
}

export class ConfigRevisions extends Context.Tag("mtx-manager/ConfigRevisions")<
  ConfigRevisions,
  ConfigRevisionsShape
>() {}

// ---------------------------------------------------------------------------------------------------------------------

/** Where revisions are kept. Any number of managers may share it. */
export interface RevisionStoreShape {
  readonly newest: Effect.Effect<RevisionInfo | undefined, ConfigRevisionsError>
  readonly get: (revision: number) => Effect.Effect<RevisionInfo | undefined, ConfigRevisionsError>
  /** The newest first, at most `limit`, those below `before` only. */
  readonly list: (before: number, limit: number) => Effect.Effect<ReadonlyArray<RevisionInfo>, ConfigRevisionsError>
  /** The text of a config by its hash. */
  readonly config: (hash: string) => Effect.Effect<string | undefined, ConfigRevisionsError>
  /**
   * Adds a revision with its config's text, all or nothing, and forgets those below `oldest`. False, and nothing happens,
   * when there is one of this number.
   */
  readonly insert: (
    revision: RevisionInfo,
    config: string,
    oldest: number
  ) => Effect.Effect<boolean, ConfigRevisionsError>
}

/** A state that provides it keeps revisions: see `StateLayer`. */
export class RevisionStore extends Context.Tag("mtx-manager/RevisionStore")<RevisionStore, RevisionStoreShape>() {}

export const makeMemoryStore: Effect.Effect<RevisionStoreShape> = Effect.sync(() => {
  let revisions: ReadonlyArray<RevisionInfo> = []
  const configs = new Map<string, string>()
  return {
    newest: Effect.sync(() => revisions.at(-1)),
    get: (revision) => Effect.sync(() => revisions.find((known) => known.revision === revision)),
    list: (before, limit) =>
      Effect.sync(() =>
        revisions
          .filter(({ revision }) => revision < before)
          .slice(-limit)
          .reverse()
      ),
    config: (hash) => Effect.sync(() => configs.get(hash)),
    insert: (revision, config, oldest) =>
      Effect.sync(() => {
        if (revisions.some((known) => known.revision === revision.revision)) return false
        revisions = [...revisions, revision].filter((known) => known.revision >= oldest)
        configs.set(revision.hash, config)
        for (const hash of configs.keys()) if (!revisions.some((known) => known.hash === hash)) configs.delete(hash)
        return true
      })
  }
})

/** Gone with the process. */
export const layerMemoryStore: Layer.Layer<RevisionStore> = Layer.effect(RevisionStore, makeMemoryStore)

// ---------------------------------------------------------------------------------------------------------------------

export interface ConfigRevisionsOptions {
  /** How many revisions are kept (default 1,000): the oldest go. Numbers are never used again. */
  readonly keep?: number | undefined
  /** Why revisions can't be made here, for whoever tries. Absent: they can. */
  readonly readOnly?: string | undefined
  /** How often to look for what other managers on the same database have done. Absent: never. */
  readonly poll?: Duration.DurationInput | undefined
}

const encoder = new TextEncoder()
const decodeDocument = Schema.decode(Schema.parseJson(FleetDocument))

/** The fields of a change that a list shows. */
const MOST_FIELDS = 20

/** The text of a config, by which it is known: equal configs with another order of fields are two. */
const textOf = (config: FleetDocument): string => JSON.stringify(config)

/** What a fleet's config amounts to as a document. */
export const documentOf = (fleet: FleetConfig): FleetDocument => ({
  // Validated configs are plain data.
  base: fleet.base as FleetDocument["base"],
  ...(fleet.labels !== undefined && { labels: fleet.labels }),
  ...(fleet.overlays !== undefined && { overlays: fleet.overlays as NonNullable<FleetDocument["overlays"]> }),
  ...(fleet.nodes.size > 0 && {
    nodes: Object.fromEntries(fleet.nodes) as NonNullable<FleetDocument["nodes"]>
  })
})

const nothing: FleetDocument = { base: {} }

/** The service over a store. Fails when the newest revision can't be read, or is not valid for this version. */
export const make = (
  options: ConfigRevisionsOptions = {}
): Effect.Effect<ConfigRevisionsShape, ConfigRevisionsError | ConfigSourceError, RevisionStore | Scope.Scope> =>
  Effect.gen(function* () {
    const store = yield* RevisionStore
    const keep = Math.max(1, Math.floor(options.keep ?? 1_000))
    const validators = makeValidators()
    const lock = yield* Effect.makeSemaphore(1)
    const changes = yield* PubSub.sliding<RevisionInfo>(64)
    const fleets = yield* PubSub.sliding<FleetConfig>(16)
    const rejected = yield* Ref.make<InvalidConfig | undefined>(undefined)
    let newest: Revision | undefined
    let fleet: FleetConfig | undefined

    const withConfig = Effect.fnUntraced(function* (info: RevisionInfo) {
      const text = yield* store.config(info.hash)
      const unreadable = (cause?: unknown) =>
        new ConfigRevisionsError({
          reason: "ReadFailed",
          message: `the config of revision ${info.revision} can't be read`,
          ...(cause !== undefined && { cause })
        })
      if (text === undefined) return yield* unreadable()
      // A parse error shows what did not fit, which may be a secret.
      const config = yield* Effect.mapError(decodeDocument(text), () => unreadable())
      return { ...info, config } satisfies Revision
    })

    const get: ConfigRevisionsShape["get"] = Effect.fn("ConfigRevisions.get")(function* (revision: number) {
      if (newest !== undefined && newest.revision === revision) return newest
      const info = yield* store.get(revision)
      if (info === undefined) {
        return yield* new RevisionNotFound({
          revision,
          message: `there is no revision ${revision}${newest === undefined ? "" : `; the newest is ${newest.revision}`}`
        })
      }
      return yield* withConfig(info)
    })

    const judged = (
      config: FleetDocument,
      known: ReadonlyArray<NodeId> | undefined
    ): Effect.Effect<FleetConfig, InvalidConfig> =>
      Effect.gen(function* () {
        const nodes = yield* readNodes(config.nodes ?? {})
        const verdict = yield* judgeInSteps(validators, fleet, {
          base: Either.right(config.base),
          overlays: Either.right({ labels: config.labels, overlays: config.overlays }),
          nodes: new Map([...nodes].map(([node, overlay]) => [node, Either.right(overlay)])),
          known,
          explain: inDocument
        })
        const issues = verdict.refusals.flatMap((refusal) => (refusal._tag === "InvalidConfig" ? refusal.issues : []))
        return verdict.config === undefined || issues.length > 0 ? yield* new InvalidConfig({ issues }) : verdict.config
      })

    /** In force from now on, here. */
    const enter = (revision: Revision, next: FleetConfig | undefined) =>
      Effect.gen(function* () {
        newest = revision
        fleet = next
        const { config: _, ...info } = revision
        yield* PubSub.publish(changes, info)
        if (next !== undefined) yield* PubSub.publish(fleets, next)
      })

    /** Takes over what the store holds. */
    const load = Effect.gen(function* () {
      const info = yield* store.newest
      if (info === undefined || info.revision === newest?.revision) return
      const revision = yield* withConfig(info)
      if (options.readOnly !== undefined) return yield* enter(revision, undefined)
      const valid = yield* Effect.either(judged(revision.config, undefined))
      if (Either.isLeft(valid)) {
        return yield* new ConfigSourceError({
          origin: `revision ${info.revision}`,
          message: `revision ${info.revision} of the config is not valid for this version of the manager: ${valid.left.message}`,
          cause: valid.left
        })
      }
      yield* enter(revision, { ...valid.right, revision: info.revision })
    })

    const conflict = (expected: number) => {
      const { config: _, ...info } = newest ?? { config: undefined }
      const found = newest === undefined ? null : (info as RevisionInfo)
      return new RevisionConflict({
        expected,
        newest: found,
        message:
          found === null
            ? `the change was made from revision ${expected}, but there is none`
            : `the change was made from revision ${expected}, but revision ${found.revision} by ${found.author} is newer: look at it and make the change anew`
      })
    }

    /** Writes the next revision. False: another manager was faster. */
    const write = Effect.fnUntraced(function* (
      input: Pick<RevisionInfo, "author" | "note" | "origin" | "restores"> & { readonly config: FleetDocument },
      found: ReadonlyArray<DocumentChange>
    ) {
      const text = textOf(input.config)
      const number = (newest?.revision ?? 0) + 1
      const { config, ...rest } = input
      const info: RevisionInfo = {
        ...rest,
        revision: number,
        at: yield* Clock.currentTimeMillis,
        hash: Encoding.encodeHex(sha256(encoder.encode(text))),
        changes: { total: found.length, fields: found.slice(0, MOST_FIELDS).map(({ field }) => field) }
      }
      const done = yield* store.insert(info, text, number - keep + 1)
      return done ? ({ ...info, config } satisfies Revision) : undefined
    })

    const appendNow = Effect.fnUntraced(function* (
      input: AppendInput,
      how: Pick<RevisionInfo, "origin" | "restores">
    ): Effect.fn.Return<Appended, AppendError> {
      if (options.readOnly !== undefined) return yield* new RevisionsReadOnly({ message: options.readOnly })
      for (;;) {
        const from = newest
        if (input.expected !== undefined && input.expected !== (from?.revision ?? 0)) {
          return yield* conflict(input.expected)
        }
        const before = fleet
        const next = yield* Effect.tapError(judged(input.config, input.known), (error) => Ref.set(rejected, error))
        yield* Ref.set(rejected, undefined)
        const config = documentOf(next)
        if (from !== undefined && (next === before || textOf(config) === textOf(from.config))) {
          return { revision: from, created: false, warnings: next.warnings }
        }
        const revision = yield* write(
          { ...how, config, author: input.author, note: input.note ?? "" },
          diffDocuments(from?.config ?? nothing, config)
        )
        if (revision !== undefined) {
          yield* enter(revision, { ...next, revision: revision.revision })
          return { revision, created: true, warnings: next.warnings }
        }
        // What the other manager has made must be valid here before ours can be judged against it.
        yield* load.pipe(
          Effect.catchTag("ConfigSourceError", ({ message }) =>
            Effect.fail(new ConfigRevisionsError({ reason: "ReadFailed", message }))
          )
        )
        if (newest === from) {
          return yield* new ConfigRevisionsError({
            reason: "WriteFailed",
            message: `revision ${(from?.revision ?? 0) + 1} could not be written, though there is none`
          })
        }
      }
    })

    /** What was written must be known to have been, or the next one would be made from an old one. */
    const locked = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      lock.withPermits(1)(Effect.uninterruptible(effect))

    yield* load

    const refresh = locked(load)
    if (options.poll !== undefined) {
      yield* refresh.pipe(
        Effect.catchAll((error) => Effect.logWarning(`looking for newer revisions: ${error.message}`)),
        Effect.repeat(Schedule.spaced(options.poll)),
        Effect.forkScoped
      )
    }

    return {
      newest: Effect.sync(() => newest),
      get,
      list: ({ before, limit } = {}) => store.list(before ?? Number.MAX_SAFE_INTEGER, limit ?? 50),
      append: (input) =>
        locked(appendNow(input, { origin: newest === undefined ? "seed" : "edit", restores: null })).pipe(
          Effect.withSpan("ConfigRevisions.append", { captureStackTrace: false })
        ),
      rollback: ({ to, ...input }) =>
        Effect.flatMap(get(to), ({ config }) =>
          locked(appendNow({ ...input, config }, { origin: "rollback", restores: to }))
        ).pipe(Effect.withSpan("ConfigRevisions.rollback", { captureStackTrace: false })),
      diff: (from, to) =>
        Effect.gen(function* () {
          const of = (revision: number) =>
            revision === 0 ? Effect.succeed(nothing) : Effect.map(get(revision), ({ config }) => config)
          return diffDocuments(yield* of(from), yield* of(to))
        }),
      changes: Stream.fromPubSub(changes),
      readOnly: options.readOnly,
      refresh,
      unsafeFleet: () => fleet,
      fleets: Stream.fromPubSub(fleets),
      rejected: Ref.get(rejected),
      record: ({ author, config, note }) =>
        locked(
          Effect.gen(function* () {
            for (;;) {
              const from = newest
              if (from !== undefined && textOf(from.config) === textOf(config)) return from
              const found = diffDocuments(from?.config ?? nothing, config)
              const origin = from === undefined ? "seed" : "files"
              const revision = yield* write({ config, author, origin, restores: null, note: note(found) }, found)
              if (revision !== undefined) {
                yield* enter(revision, undefined)
                return revision
              }
              yield* Effect.orDie(load)
            }
          })
        )
    } satisfies ConfigRevisionsShape
  })

/** Over a store of one's own. */
export const layer = (
  options?: ConfigRevisionsOptions
): Layer.Layer<ConfigRevisions, ConfigRevisionsError | ConfigSourceError, RevisionStore> =>
  Layer.scoped(ConfigRevisions, make(options))

/** In memory, gone with the process. */
export const layerMemory = (
  options?: ConfigRevisionsOptions
): Layer.Layer<ConfigRevisions, ConfigRevisionsError | ConfigSourceError> =>
  Layer.provide(layer(options), layerMemoryStore)

// ---------------------------------------------------------------------------------------------------------------------

export interface RevisionsSourceOptions<E = never, R = never> {
  /** What the first revision holds, when there is none yet. Absent: then there is nothing to serve, an error. */
  readonly seed?: Effect.Effect<FleetDocument, E, R> | undefined
  /** Where the seed comes from, for its note. */
  readonly seedNote?: string | undefined
}

/** A source that gives nodes the newest revision, from the moment that it was accepted. */
export const source = <E = never, R = never>(
  options: RevisionsSourceOptions<E, R> = {}
): Effect.Effect<
  ConfigSourceShape,
  ConfigSourceError | ConfigRevisionsError | InvalidConfig | E,
  ConfigRevisions | R
> =>
  Effect.gen(function* () {
    const revisions = yield* ConfigRevisions
    if (revisions.unsafeFleet() === undefined) {
      if (options.seed === undefined) {
        return yield* new ConfigSourceError({
          origin: "revisions",
          message: "there is no revision of the config yet, and nothing to make the first of"
        })
      }
      const config = yield* options.seed
      const seeded = revisions.append({ config, author: "seed", note: options.seedNote, expected: 0 })
      yield* seeded.pipe(
        // Another manager on the same database was faster: what it has made counts.
        Effect.catchTags({
          RevisionConflict: () => Effect.void,
          RevisionsReadOnly: ({ message }) => Effect.fail(new ConfigSourceError({ origin: "revisions", message }))
        })
      )
    }
    const first = revisions.unsafeFleet()
    if (first === undefined) return yield* Effect.dieMessage("a revision was made that holds no config")
    const current = () => revisions.unsafeFleet() ?? first
    return {
      current: Effect.sync(current),
      unsafeCurrent: current,
      changes: revisions.fleets,
      rejected: revisions.rejected
    }
  })

/**
 * Nodes get the newest revision.
 *
 * @example
 * ```ts
 * const Source = ConfigRevisions.layerSource({ seed: Effect.succeed({ base: { paths: { cam: {} } } }) }).pipe(
 *   Layer.provideMerge(ConfigRevisions.layer()),
 *   Layer.provide(SqlConfigRevisions.layerStore),
 *   Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" }))
 * )
 * ```
 */
export const layerSource = <E = never, R = never>(
  options?: RevisionsSourceOptions<E, R>
): Layer.Layer<ConfigSource, ConfigSourceError | ConfigRevisionsError | InvalidConfig | E, ConfigRevisions | R> =>
  Layer.effect(ConfigSource, source(options))

/** How often to look whether a change was missed, or can be recorded that could not be before. */
const LOOK = "2 seconds"

export interface RecordedOptions {
  /** Who edits the source (default `files`). */
  readonly author?: string | undefined
  /** Says from what has changed which files were edited. */
  readonly note?: ((changes: ReadonlyArray<DocumentChange>) => string) | undefined
}

/**
 * The same source with its history: each config that it puts in force is recorded, and has the number of its revision.
 *
 * Nodes come first: a config is in force whether it could be recorded or not. Until it is, it has the number of the one
 * before.
 */
export const recorded = (
  inner: ConfigSourceShape,
  options: RecordedOptions = {}
): Effect.Effect<ConfigSourceShape, never, ConfigRevisions | Scope.Scope> =>
  Effect.gen(function* () {
    const revisions = yield* ConfigRevisions
    const changes = yield* PubSub.sliding<FleetConfig>(16)
    let seen = yield* inner.current
    let current: FleetConfig = { ...seen, revision: (yield* revisions.newest)?.revision ?? 0 }

    const record = (fleet: FleetConfig) =>
      revisions.record({
        config: documentOf(fleet),
        author: options.author ?? "files",
        note: options.note ?? (() => "")
      })

    const enter = (fleet: FleetConfig, revision: number) =>
      Effect.suspend(() => {
        if (fleet === seen && revision === current.revision) return Effect.void
        seen = fleet
        current = { ...fleet, revision }
        return PubSub.publish(changes, current)
      })

    const lock = yield* Effect.makeSemaphore(1)
    let failing = true
    const look = Effect.gen(function* () {
      const fleet = yield* inner.current
      if (fleet === seen && !failing) return
      const done = yield* Effect.either(record(fleet))
      if (Either.isLeft(done) && (!failing || fleet !== seen)) {
        yield* Effect.logError(`a change of the config is in force, but can't be recorded: ${done.left.message}`)
      }
      if (Either.isRight(done) && done.right.revision !== current.revision) {
        yield* Effect.logInfo(
          `revision ${done.right.revision} of the config${done.right.note === "" ? "" : `: ${done.right.note}`}`
        )
      }
      failing = Either.isLeft(done)
      yield* enter(fleet, Either.isRight(done) ? done.right.revision : current.revision)
    }).pipe(lock.withPermits(1))
    yield* look
    yield* Stream.merge(inner.changes, Stream.fromSchedule(Schedule.spaced(LOOK))).pipe(
      Stream.buffer({ capacity: 1, strategy: "sliding" }),
      Stream.runForEach(() => look),
      Effect.forkScoped
    )

    /** Whoever asks after an edit was accepted is told of it, and not of the one before. */
    const caughtUp = Effect.flatMap(inner.current, (fleet) => (fleet === seen ? Effect.void : look))
    return {
      current: Effect.map(caughtUp, () => current),
      unsafeCurrent: () => current,
      changes: Stream.fromPubSub(changes),
      rejected: Effect.zipRight(caughtUp, inner.rejected)
    }
  })

/** See {@link recorded}. */
export const layerRecorded = <E, R>(
  inner: Effect.Effect<ConfigSourceShape, E, R>,
  options?: RecordedOptions
): Layer.Layer<ConfigSource, E, ConfigRevisions | Exclude<R, Scope.Scope>> =>
  Layer.scoped(
    ConfigSource,
    Effect.flatMap(inner, (shape) => recorded(shape, options))
  )
