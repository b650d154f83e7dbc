/**
 * PlaybackQueue on a SQL database: a job that was acknowledged survives a crash of the manager, and so do leases and their
 * tokens.
 *
 * Calls share commits (see GroupCommit): the jobs that a batch of calls has changed are written by one statement, each only
 * over the version that it was made from. With SQLite a statement outside a transaction is its own transaction, so a batch
 * is kept whole or not at all.
 *
 * Answers come from memory. On PostgreSQL, with a `Sharing`, managers take turns (see there), and each turn begins with what
 * others have written since: a batch is decided on the newest state, so that no job is leased twice, and no report is refused
 * because another manager gave out the lease. Elsewhere, a process that finds a job changed by another one loads all jobs
 * anew and runs its calls again.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { PlaybackJob } from "../services/PlaybackJob.js"
import * as PlaybackQueue from "../services/PlaybackQueue.js"
import type { Recordings } from "../services/Recordings.js"
import * as GroupCommit from "./GroupCommit.js"
import { Sharing } from "./Sharing.js"

/** Some drivers give integers of 64 bits as text. */
const Integer = Schema.Union(Schema.Int, Schema.NumberFromString.pipe(Schema.int()))

const Row = Schema.Struct({
  version: Integer,
  slot: Schema.NullOr(Schema.String),
  swept: Integer,
  job: Schema.parseJson(Schema.typeSchema(PlaybackJob))
})
const decodeRow = Schema.decodeUnknownEither(Row)
const decodeSeq = Schema.decodeUnknown(Schema.Array(Schema.Struct({ seq: Integer })))
const decodeIds = Schema.decodeUnknown(Schema.Array(Schema.Struct({ id: Schema.String })))

/** Calls that share a commit: it is one statement, for which the event loop waits. */
const MAX_BATCH = 200

const readFailed = (cause: unknown) =>
  new PlaybackQueue.PlaybackQueueError({
    reason: "Storage",
    message: "The playback jobs could not be read from the database",
    cause
  })
const writeFailed = (cause: unknown) =>
  new PlaybackQueue.PlaybackQueueError({
    reason: "Storage",
    message: "The playback jobs could not be written (is the disk full, or the database locked?): nothing was changed",
    cause
  })

/** Another process has taken the slot: SQLite's and PostgreSQL's codes for it. */
const isTaken = (error: SqlError): boolean => {
  const { cause } = error
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  return code === "SQLITE_CONSTRAINT_UNIQUE" || code === "23505"
}

/** The name under which managers take turns. */
const NAME = "playback_jobs"

const makeStore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sharing = yield* Effect.serviceOption(Sharing)

  // The batch is one bound parameter, so the statement's text is the same for any number of rows and is prepared once.
  const upsert = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`
      INSERT INTO playback_jobs (id, version, slot, state, swept, job)
      SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2, value ->> 3, (value ->> 4)::integer, value ->> 5
      FROM json_array_elements(${batch}::json) WITH ORDINALITY AS batch (value, key) ORDER BY key
      ON CONFLICT (id) DO UPDATE SET
        version = excluded.version, slot = excluded.slot, state = excluded.state, swept = excluded.swept, job = excluded.job,
        seq = excluded.seq
      WHERE playback_jobs.version = excluded.version - 1
      RETURNING id`,
    // Without the WHERE, SQLite would read ON CONFLICT as the ON of a join.
    orElse: () => (batch: string) =>
      sql`
      INSERT INTO playback_jobs (id, version, slot, state, swept, job)
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value -> 5
      FROM json_each(${batch}) WHERE TRUE ORDER BY key
      ON CONFLICT (id) DO UPDATE SET
        version = excluded.version, slot = excluded.slot, state = excluded.state, swept = excluded.swept, job = excluded.job
      WHERE playback_jobs.version = excluded.version - 1
      RETURNING id`
  })
  const remove = sql.onDialectOrElse({
    pg: () => (ids: string) =>
      sql`DELETE FROM playback_jobs WHERE id IN (SELECT value FROM json_array_elements_text(${ids}::json))`,
    orElse: () => (ids: string) => sql`DELETE FROM playback_jobs WHERE id IN (SELECT value FROM json_each(${ids}))`
  })

  const toColumn = sql.onDialectOrElse({
    // PostgreSQL does not take apart what holds a \u0000 anywhere, and a worker's message may.
    pg: () => (job: PlaybackJob) => JSON.stringify(job),
    orElse: () => (job: PlaybackJob) => job
  })
  const announce = Option.match(sharing, { onNone: () => Effect.void, onSome: ({ announce }) => announce(NAME) })

  const decodeRows = (rows: ReadonlyArray<unknown>) => {
    const good: Array<PlaybackQueue.StoredJob> = []
    let bad = 0
    for (const row of rows) {
      const decoded = decodeRow(row)
      if (Either.isRight(decoded)) {
        const { job, slot, swept, version } = decoded.right
        good.push({ job, version, slot, swept: swept !== 0 })
      } else bad++
    }
    return bad === 0
      ? Effect.succeed(good)
      : Effect.as(Effect.logWarning(`Skipped ${bad} rows of playback jobs that do not decode`), good)
  }

  /** Numbers are given out in turns, so nothing below the highest that we have seen is still to come. */
  let seen = 0
  const news = Effect.suspend(
    () =>
      sql`SELECT seq, version, slot, swept, job FROM playback_jobs WHERE seq > ${seen} ORDER BY seq`.withoutTransform
  ).pipe(
    Effect.tap((rows) =>
      Effect.map(decodeSeq(rows.slice(-1)), ([last]) => {
        if (last !== undefined) seen = last.seq
      })
    ),
    Effect.flatMap(decodeRows),
    Effect.mapError(readFailed),
    Effect.withTracerEnabled(false)
  )

  const store: PlaybackQueue.PlaybackStore = {
    ...Option.match(sharing, {
      onNone: () => ({
        load: sql`SELECT version, slot, swept, job FROM playback_jobs ORDER BY id`.withoutTransform.pipe(
          Effect.mapError(readFailed),
          Effect.flatMap(decodeRows)
        )
      }),
      onSome: ({ alone, changes }) => ({
        load: Effect.suspend(() => {
          seen = 0
          return news
        }),
        shared: {
          news,
          alone: <A>(turn: Effect.Effect<A, PlaybackQueue.PlaybackQueueError>) =>
            Effect.withTracerEnabled(Effect.catchTag(alone(NAME, turn), "SqlError", writeFailed), false),
          changes: changes(NAME)
        }
      })
    }),
    write: (jobs) =>
      upsert(
        JSON.stringify(
          jobs.map(({ job, slot, swept, version }) => [job.id, version, slot, job.state, swept ? 1 : 0, toColumn(job)])
        )
      ).withoutTransform.pipe(
        Effect.catchTag("SqlError", (error) => (isTaken(error) ? Effect.succeed([]) : Effect.fail(error))),
        Effect.flatMap(decodeIds),
        Effect.zipLeft(announce),
        Effect.mapError(writeFailed),
        Effect.map((rows) => new Set(rows.map(({ id }) => id))),
        Effect.withTracerEnabled(false)
      ),
    remove: (ids) => Effect.asVoid(Effect.mapError(remove(JSON.stringify(ids)).withoutTransform, writeFailed))
  }
  return store
})

const batching: PlaybackQueue.PlaybackBatching = (commit) =>
  Effect.map(
    GroupCommit.make<PlaybackQueue.PlaybackCall, void, PlaybackQueue.PlaybackQueueError>({
      commit: (batch) => Effect.as(commit(batch), new Array<void>(batch.length).fill(undefined)),
      maxBatch: MAX_BATCH,
      full: () =>
        new PlaybackQueue.PlaybackQueueError({
          reason: "Overloaded",
          message: "More calls wait to be written than the playback queue holds: try again later"
        }),
      closed: () =>
        new PlaybackQueue.PlaybackQueueError({ reason: "Closed", message: "The playback queue was shut down" }),
      died: writeFailed
    }),
    (group) => (call) => group.submit(call, 1)
  )

/** Over the database of the SqlClient, whose migrations must have been run. */
export const make = (options: PlaybackQueue.PlaybackQueueOptions = {}) =>
  Effect.flatMap(makeStore, (store) => PlaybackQueue.make({ ...options, store, batching }))

/**
 * @example
 * ```ts
 * const Queue = SqlPlaybackQueue.layer().pipe(
 *   Layer.provide(SqlRecordings.layer()),
 *   Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" }))
 * )
 * ```
 */
export const layer = (
  options?: PlaybackQueue.PlaybackQueueOptions
): Layer.Layer<PlaybackQueue.PlaybackQueue, PlaybackQueue.PlaybackQueueError, Recordings | SqlClient.SqlClient> =>
  Layer.scoped(PlaybackQueue.PlaybackQueue, make(options))
