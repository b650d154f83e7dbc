/**
 * HookBus on a SQL database: a published event is durable when `publish` returns.
 *
 * Publishers share commits (see GroupCommit): one statement, with the whole batch as one bound parameter, writes up to 200
 * events. With SQLite a statement outside a transaction is its own transaction, so a batch is recorded whole or not at all.
 *
 * On PostgreSQL, with a `Sharing`, managers take turns to write. A cursor comes from a sequence, and without turns a lower one
 * could become visible after a higher one that somebody has read past. Each turn begins with what others have published since:
 * so a repetition is known again whichever manager it comes to, and every manager shows the same records in the same order.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import {
  BusEvent,
  Cursor,
  closedError,
  defaultHookRetention,
  HookBus,
  HookBusError,
  type HookRecord,
  type HookRetention,
  type Published,
  trimInterval
} from "../services/HookBus.js"
import { Feed, type Page } from "../services/internal/hookBusFeed.js"
import { Deliveries, deliveryOf, LastEvents, rememberEnded, subjectOf } from "../services/internal/hookBusSubject.js"
import { RecordWindow } from "../services/internal/hookBusWindow.js"
import { NodeEvent } from "../services/NodeEvent.js"
import { NodeId } from "../services/NodeId.js"
import * as GroupCommit from "./GroupCommit.js"
import { Sharing } from "./Sharing.js"

export interface SqlHookBusOptions extends HookRetention {
  /** How many events may wait for their commit before `publish` fails with `Overloaded` (default 8,192, and 16 Mi characters). */
  readonly maxQueued?: number
  /** How many events one commit takes at most (default 200). */
  readonly maxBatch?: number
  /** How many characters of JSON one commit takes at most (default: any), where a parameter may not be as large as that. */
  readonly maxBatchSize?: number
  /** Trims at the start as well, for a process that often doesn't live until the next time (default false). */
  readonly trimAtStart?: boolean
}

/** The newest records are kept in memory as well, so that a subscriber that keeps up costs no query. */
const windowSize = 1024

/** How many of the newest records are looked through at the start, to know repetitions again. */
const seedRecords = 10_000

/** The name under which managers take turns. */
const NAME = "hook_log"

/** Rows a query or a delete touches at most: it runs on the event loop. */
const chunk = 1000

const recorded = Metric.counter("mtx_manager_hooks_recorded_total", {
  description: "Events recorded on the hook bus",
  incremental: true
})
const repeated = Metric.counter("mtx_manager_hooks_repeated_total", {
  description: "Hooks that repeated the last one of their subject, so that nothing was recorded",
  incremental: true
})
const failed = Metric.counter("mtx_manager_hooks_write_failed_total", {
  description: "Events that could not be recorded because the database refused",
  incremental: true
})
const waiting = Metric.gauge("mtx_manager_hook_queue", {
  description: "Events that wait to be written to the log"
})
const unreadable = Metric.counter("mtx_manager_hook_rows_unreadable_total", {
  description: "Rows of the hook log that were skipped because they do not decode",
  incremental: true
})

const Row = Schema.Struct({
  cursor: Cursor,
  node: NodeId,
  at: Schema.Int,
  event: Schema.parseJson(BusEvent)
})
const decodeRow = Schema.decodeUnknownEither(Row)

const encodeNodeEvent = Schema.encodeSync(NodeEvent)
/** Hooks are their own encoding, so the hot path needs none (the compiler checks that); events about nodes hold times. */
const encodeEvent = (event: BusEvent): typeof BusEvent.Encoded => {
  switch (event.event) {
    case "node_discovered":
    case "node_online":
    case "node_stale":
    case "node_offline":
    case "node_restarted":
    case "node_config_applied":
    case "node_config_failed":
    case "node_config":
    case "node_removed":
      return encodeNodeEvent(event)
    default:
      return event
  }
}
const RowCursor = Schema.Struct({ cursor: Cursor })
const decodeCursors = Schema.decodeUnknown(Schema.Array(RowCursor))
const decodeNewest = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ newest: Schema.NullOr(Cursor) })))

interface Pending {
  readonly node: NodeId
  readonly at: number
  readonly event: BusEvent
  /** `[node, at, event]` in JSON, made by the publisher. For PostgreSQL the event is a text in it. */
  readonly json: string
  readonly subject: string | undefined
}

const readFailed = (cause: unknown) =>
  new HookBusError({ reason: "ReadFailed", message: "The hook log could not be read", cause })
const writeFailed = (cause: unknown) =>
  new HookBusError({
    reason: "WriteFailed",
    message: "The hook log could not be written (is the disk full, or the database locked?): nothing was recorded",
    cause
  })
const overloaded = () =>
  new HookBusError({
    reason: "Overloaded",
    message: "More events wait to be written than the hook bus holds: this one was not queued, try again later"
  })

/** Makes the bus over the database of the SqlClient, whose migrations must have been run. */
export const make = Effect.fnUntraced(function* (options: SqlHookBusOptions = {}) {
  const maxRecords = options.maxRecords ?? defaultHookRetention.maxRecords
  const maxAge = Duration.toMillis(options.maxAge ?? defaultHookRetention.maxAge)
  const sql = yield* SqlClient.SqlClient
  const sharing = yield* Effect.serviceOption(Sharing)
  const clock = yield* Effect.clock
  const window = new RecordWindow(windowSize)
  const lastEvents = new LastEvents()
  const deliveries = new Deliveries()
  const warned = new Set<Cursor>()

  const decodeRows = (rows: ReadonlyArray<unknown>, after: Cursor) => {
    const records: Array<HookRecord> = []
    const bad: Array<Cursor> = []
    let last = after
    for (const row of rows) {
      const decoded = decodeRow(row)
      if (Either.isRight(decoded)) {
        records.push(decoded.right)
        last = decoded.right.cursor
      } else {
        // Its cursor is the primary key, so it is there even when nothing else of the row makes sense.
        const cursor = Schema.is(RowCursor)(row) ? row.cursor : last + 1
        last = cursor
        if (!warned.has(cursor) && warned.size < chunk) {
          warned.add(cursor)
          bad.push(cursor)
        }
      }
    }
    return { records, bad, last }
  }

  /** One page of the table. `newest`: everything up to there is in the table, or was trimmed. */
  const readTable = (after: Cursor, limit: number, newest: Cursor): Effect.Effect<Page, HookBusError> =>
    sql`SELECT cursor, node, at, event FROM hook_log WHERE cursor > ${after} ORDER BY cursor LIMIT ${limit}`.withoutTransform.pipe(
      Effect.mapError(readFailed),
      Effect.flatMap((rows) => {
        const { records, bad, last } = decodeRows(rows, after)
        const page: Page = { records, next: rows.length < limit ? Math.max(last, newest) : last }
        if (bad.length === 0) return Effect.succeed(page)
        return Effect.logWarning("Skipped rows of the hook log that do not decode").pipe(
          Effect.annotateLogs("cursors", bad.join(",")),
          Effect.zipRight(Metric.incrementBy(unreadable, bad.length)),
          Effect.as(page)
        )
      })
    )

  const readPage = (after: Cursor, limit: number): Effect.Effect<Page, HookBusError> =>
    Effect.suspend(() => {
      if (window.covers(after)) {
        const records = window.after(after, limit)
        return Effect.succeed({ records, next: records[records.length - 1]?.cursor ?? feed.latest })
      }
      return readTable(after, Math.min(limit, chunk), feed.latest)
    })

  const newest = yield* sql
    .onDialectOrElse({
      // Counts what was trimmed, too.
      sqlite: () => sql`SELECT MAX(seq) AS newest FROM sqlite_sequence WHERE name = 'hook_log'`,
      pg: () => sql`SELECT CASE WHEN is_called THEN last_value END AS newest FROM hook_log_cursor_seq`,
      orElse: () => sql`SELECT MAX(cursor) AS newest FROM hook_log`
    })
    .withoutTransform.pipe(
      // In a turn: everything up to there is in the table then, and nothing is on its way.
      (query) => (Option.isSome(sharing) ? sharing.value.alone(NAME, query) : query),
      Effect.flatMap(decodeNewest),
      Effect.mapError(readFailed)
    )

  const feed: Feed = new Feed(newest[0].newest ?? 0, readPage)
  yield* Effect.addFinalizer(() => feed.end(GroupCommit.turn))

  // What was last heard of each subject before the restart.
  const seed = (after: Cursor): Effect.Effect<void, HookBusError> =>
    after >= feed.latest
      ? Effect.void
      : Effect.flatMap(readTable(after, chunk, feed.latest), ({ records, next }) => {
          for (const { node, event, cursor, at } of records) {
            const subject = subjectOf(node, event)
            if (subject !== undefined) lastEvents.set(subject, event.event, cursor, at)
            deliveries.set(node, event, cursor)
          }
          return seed(next)
        })
  yield* seed(Math.max(0, feed.latest - seedRecords))

  const toJson = sql.onDialectOrElse({
    // PostgreSQL does not take apart what holds a \u0000 anywhere, and clients may put one into a query.
    pg: () => (event: BusEvent) => JSON.stringify(JSON.stringify(encodeEvent(event))),
    orElse: () => (event: BusEvent) => JSON.stringify(encodeEvent(event))
  })
  const insert = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`
      INSERT INTO hook_log (node, at, event)
      SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2
      FROM json_array_elements(${batch}::json) WITH ORDINALITY AS batch (value, key)
      ORDER BY key RETURNING cursor`,
    // One statement text for any number of events, so that it is prepared once.
    orElse: () => (batch: string) =>
      sql`
      INSERT INTO hook_log (node, at, event)
      SELECT value ->> 0, value ->> 1, value -> 2 FROM json_each(${batch})
      ORDER BY key RETURNING cursor`
  })

  /** Inserts the events and returns their cursors, in order. */
  const write = (jsons: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Cursor>, HookBusError> =>
    insert(`[${jsons.join(",")}]`).withoutTransform.pipe(
      Effect.flatMap(decodeCursors),
      Effect.zipLeft(Option.isSome(sharing) ? sharing.value.announce(NAME) : Effect.void),
      Effect.mapError(writeFailed),
      // The order of RETURNING is not promised, but cursors are given out in the order of the insert.
      Effect.map((rows) => rows.map(({ cursor }) => cursor).sort((a, b) => a - b)),
      Effect.withTracerEnabled(false)
    )

  /** Takes in what other managers have published: up to the end of the table, which is the newest in a turn. */
  const hear: Effect.Effect<void, HookBusError> = Effect.suspend(() =>
    Effect.flatMap(readTable(feed.latest, chunk, feed.latest), ({ next, records }) => {
      if (next <= feed.latest) return Effect.void
      for (const record of records) {
        const { at, cursor, event, node } = record
        const subject = subjectOf(node, event)
        window.push(record)
        if (subject !== undefined) lastEvents.set(subject, event.event, cursor, at)
        deliveries.set(node, event, cursor)
      }
      feed.advance(next)
      return records.length < chunk ? Effect.void : hear
    })
  ).pipe(Effect.withTracerEnabled(false))
  /** What this process reads and writes itself comes into the window in order. */
  const lock = yield* Effect.makeSemaphore(1)

  /** Records what is new of the batch. The second effect shows it, and is run when it is durable. */
  const record = (
    batch: ReadonlyArray<Pending>
  ): Effect.Effect<Effect.Effect<ReadonlyArray<Published>>, HookBusError> =>
    Effect.suspend(() => {
      const fresh: Array<Pending> = []
      // For each event of the batch: the cursor of what it repeats, or its (or its original's) index in `fresh`.
      const answers: Array<Published | { readonly index: number; readonly duplicate: boolean }> = []
      const inBatch = new Map<string, { readonly name: BusEvent["event"]; readonly index: number }>()
      // By node and run: a relay that lost patience repeats while the first one still waits for its commit.
      const underWay = new Map<string, { readonly number: number; readonly index: number }>()
      for (const pending of batch) {
        const { subject, event, at, node } = pending
        const delivery = deliveryOf(event)
        const run = delivery === undefined ? "" : `${node}\n${delivery.run}`
        if (delivery !== undefined) {
          const before = underWay.get(run)
          if (before !== undefined && delivery.number <= before.number) {
            answers.push({ index: before.index, duplicate: true })
            continue
          }
          const delivered = deliveries.repeats(node, event)
          if (delivered !== undefined) {
            answers.push({ cursor: delivered, duplicate: true })
            continue
          }
        }
        if (subject !== undefined) {
          const before = inBatch.get(subject)
          if (before?.name === event.event) {
            answers.push({ index: before.index, duplicate: true })
            continue
          }
          const last = before === undefined ? lastEvents.repeats(subject, event.event, at) : undefined
          if (last !== undefined) {
            answers.push({ cursor: last.cursor, duplicate: true })
            continue
          }
          inBatch.set(subject, { name: event.event, index: fresh.length })
        }
        if (delivery !== undefined) underWay.set(run, { number: delivery.number, index: fresh.length })
        answers.push({ index: fresh.length, duplicate: false })
        fresh.push(pending)
      }
      const finish = (cursors: ReadonlyArray<Cursor>): ReadonlyArray<Published> => {
        fresh.forEach(({ node, at, event, subject }, index) => {
          const cursor = cursorAt(cursors, index)
          window.push({ cursor, node, at, event })
          if (subject !== undefined) lastEvents.set(subject, event.event, cursor, at)
          deliveries.set(node, event, cursor)
        })
        if (cursors.length > 0) feed.advance(cursorAt(cursors, cursors.length - 1))
        return answers.map((answer) =>
          "cursor" in answer ? answer : { cursor: cursorAt(cursors, answer.index), duplicate: answer.duplicate }
        )
      }
      return Effect.map(fresh.length === 0 ? Effect.succeed([]) : write(fresh.map(({ json }) => json)), (cursors) =>
        Effect.sync(() => finish(cursors)).pipe(
          Effect.zipLeft(Metric.incrementBy(recorded, fresh.length)),
          Effect.zipLeft(Metric.incrementBy(repeated, batch.length - fresh.length))
        )
      )
    })
  const inTurn = (batch: ReadonlyArray<Pending>): Effect.Effect<ReadonlyArray<Published>, HookBusError> =>
    Option.match(sharing, {
      onNone: () => Effect.flatten(record(batch)),
      onSome: ({ alone }) =>
        alone(NAME, Effect.zipRight(hear, record(batch))).pipe(
          Effect.catchTag("SqlError", writeFailed),
          Effect.withTracerEnabled(false),
          Effect.flatten,
          lock.withPermits(1)
        )
    })
  const commit = (batch: ReadonlyArray<Pending>): Effect.Effect<ReadonlyArray<Published>, HookBusError> =>
    inTurn(batch).pipe(
      Effect.zipLeft(Effect.suspend(() => Metric.set(waiting, group.queued()))),
      Effect.tapError((error) =>
        Effect.zipRight(
          Metric.incrementBy(failed, batch.length),
          Effect.logError("The hook log could not be written", Cause.fail(error.cause))
        )
      )
    )
  if (Option.isSome(sharing)) {
    yield* sharing.value.changes(NAME).pipe(
      Stream.runForEach(() =>
        Effect.catchAll(lock.withPermits(1)(hear), (error) =>
          Effect.logWarning("What other managers have published can't be read, will try again", error)
        )
      ),
      Effect.forkScoped
    )
  }

  const group: GroupCommit.GroupCommit<Pending, Published, HookBusError> = yield* GroupCommit.make<
    Pending,
    Published,
    HookBusError
  >({
    commit,
    maxBatch: options.maxBatch,
    maxBatchSize: options.maxBatchSize,
    maxQueued: options.maxQueued,
    full: overloaded,
    closed: closedError,
    died: writeFailed
  })

  /** Deletes up to and including `upTo`, in chunks, so that the event loop is not held up. */
  const deleteUpTo = (upTo: Cursor): Effect.Effect<void, SqlError> =>
    sql`SELECT MIN(cursor) FROM hook_log`.values.pipe(
      Effect.flatMap((rows) => {
        const oldest = Number(rows[0]?.[0] ?? Number.POSITIVE_INFINITY)
        if (oldest > upTo) return Effect.void
        const step = Math.min(upTo, oldest + chunk - 1)
        return sql`DELETE FROM hook_log WHERE cursor <= ${step}`.pipe(
          Effect.zipRight(GroupCommit.turn),
          Effect.zipRight(Effect.suspend(() => (step < upTo ? deleteUpTo(upTo) : Effect.void)))
        )
      })
    )

  const trim = Effect.suspend(() => {
    const now = clock.unsafeCurrentTimeMillis()
    lastEvents.forgetEnded(now - rememberEnded)
    // Before the query: what is published while it runs is not too old.
    const newest = feed.latest
    return sql`SELECT cursor FROM hook_log WHERE at >= ${now - maxAge} ORDER BY cursor LIMIT 1`.values.pipe(
      Effect.flatMap((rows) => {
        const youngEnough = rows[0]?.[0]
        const tooOld = youngEnough === undefined ? newest : Number(youngEnough) - 1
        const upTo = Math.max(newest - maxRecords, tooOld)
        window.trim(upTo)
        return deleteUpTo(upTo)
      })
    )
  }).pipe(
    Effect.catchAllCause((cause) => Effect.logWarning("The hook log could not be trimmed; trying again later", cause)),
    Effect.withTracerEnabled(false)
  )
  const trimAgain = Effect.schedule(trim, Schedule.spaced(trimInterval))
  yield* Effect.forkScoped(options.trimAtStart === true ? Effect.zipRight(trim, trimAgain) : trimAgain)

  return HookBus.of({
    publish: (node, event) =>
      Effect.suspend(() => {
        const at = clock.unsafeCurrentTimeMillis()
        const json = `[${JSON.stringify(node)},${at},${toJson(event)}]`
        return group.submit({ node, at, event, json, subject: subjectOf(node, event) }, json.length)
      }),
    subscribe: (options) => feed.subscribe(options),
    read: ({ after, limit }) => readMany(readPage, after, limit),
    latest: Effect.sync(() => feed.latest)
  })
})

/** Page after page until there are `limit` records or no more. */
const readMany = (
  readPage: (after: Cursor, limit: number) => Effect.Effect<Page, HookBusError>,
  after: Cursor,
  limit: number,
  found: ReadonlyArray<HookRecord> = []
): Effect.Effect<ReadonlyArray<HookRecord>, HookBusError> =>
  limit <= found.length
    ? Effect.succeed(found)
    : Effect.flatMap(readPage(after, limit - found.length), ({ records, next }) =>
        next <= after
          ? Effect.succeed(found)
          : readMany(readPage, next, limit, found.length === 0 ? records : [...found, ...records])
      )

const cursorAt = (cursors: ReadonlyArray<Cursor>, index: number): Cursor => {
  const cursor = cursors[index]
  // A statement that inserted fewer rows than events: not recorded for sure, so not acknowledged.
  if (cursor === undefined)
    throw new Error(`the database gave ${cursors.length} cursors, one for event ${index} is missing`)
  return cursor
}

/**
 * A durable HookBus. Of several managers on one database each sees what all of them publish, where there is a `Sharing`.
 *
 * @example
 * ```ts
 * const Bus = SqlHookBus.layer({ maxAge: "30 days" }).pipe(Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" })))
 * ```
 */
export const layer = (options?: SqlHookBusOptions): Layer.Layer<HookBus, HookBusError, SqlClient.SqlClient> =>
  Layer.scoped(HookBus, make(options))
