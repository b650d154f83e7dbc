/**
 * Recordings on a SQL database: the index survives a restart of the manager.
 *
 * Rows and the cursor of the hook log that they stand for are written in one transaction, so that after a crash exactly what
 * is missing is read from the log again. Answers come from memory, so this process must be the only writer of the tables, or
 * all writers must have a `Sharing`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NodeId } from "../services/NodeId.js"
import * as Recordings from "../services/Recordings.js"
import { Sharing } from "./Sharing.js"
import { toJson } from "./SqlBatch.js"

/** Some drivers give integers of 64 bits as text. */
const Integer = Schema.Union(Schema.Int, Schema.NumberFromString.pipe(Schema.int()))

const Row = Schema.Struct({
  node: NodeId,
  path: Schema.String,
  start_at: Integer,
  end_at: Integer,
  file: Schema.String
})
const decodeRow = Schema.decodeUnknownEither(Row)
const decodeReports = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ seq: Integer, node: NodeId, path: Schema.String }))
)

const decodeRows = (rows: ReadonlyArray<unknown>) => {
  const good: Array<Recordings.StoredRecording> = []
  let bad = 0
  for (const row of rows) {
    const decoded = decodeRow(row)
    if (Either.isLeft(decoded)) {
      bad++
      continue
    }
    const { end_at, file, node, path, start_at } = decoded.right
    good.push({ node, path, start: start_at, end: end_at, file: file === "" ? null : file })
  }
  return { bad, good }
}
const decodeCursor = Schema.decodeUnknown(Schema.Array(Schema.Struct({ cursor: Integer })))

/** Rows that go into one statement: the event loop waits for it. */
const AT_ONCE = 500

const slices = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, i) => all.slice(i * AT_ONCE, (i + 1) * AT_ONCE))

const readFailed = (cause: unknown) =>
  new Recordings.RecordingsError({
    reason: "ReadFailed",
    message: "The index of recordings could not be read from the database",
    cause
  })
const writeFailed = (cause: unknown) =>
  new Recordings.RecordingsError({
    reason: "WriteFailed",
    message: "The index of recordings could not be written (is the disk full, or the database locked?)",
    cause
  })

/** The name under which managers take turns. */
const NAME = "recordings"

const makeStore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sharing = yield* Effect.serviceOption(Sharing)

  // The batch is one bound parameter, so the statement's text is the same for any number of rows and is prepared once.
  const upsertRows = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`
      INSERT INTO recordings (node, path, start_at, file, end_at)
      SELECT value ->> 0, value ->> 1, (value ->> 2)::bigint, value ->> 3, (value ->> 4)::bigint
      FROM json_array_elements(${batch}::json)
      ON CONFLICT (node, path, start_at, file) DO UPDATE SET end_at = excluded.end_at`,
    // Without a WHERE, SQLite would read ON CONFLICT as the ON of a join.
    orElse: () => (batch: string) =>
      sql`
      INSERT INTO recordings (node, path, start_at, file, end_at)
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(${batch}) WHERE TRUE
      ON CONFLICT (node, path, start_at, file) DO UPDATE SET end_at = excluded.end_at`
  })
  const deleteRows = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`
      DELETE FROM recordings WHERE (node, path, start_at, file) IN (
        SELECT value ->> 0, value ->> 1, (value ->> 2)::bigint, value ->> 3 FROM json_array_elements(${batch}::json))`,
    orElse: () => (batch: string) =>
      sql`
      DELETE FROM recordings WHERE (node, path, start_at, file) IN (
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(${batch}))`
  })

  /**
   * With several managers each keeps its own picture of one log: what one writes must not take the stored one back.
   */
  const isOld = (cursor: number) =>
    Option.isNone(sharing)
      ? Effect.succeed(false)
      : Effect.map(
          Effect.flatMap(
            sql`SELECT cursor FROM recordings_cursor WHERE id = 1 FOR UPDATE`.withoutTransform,
            decodeCursor
          ),
          ([stored]) => stored !== undefined && stored.cursor > cursor
        )

  /** Numbers are given out in turns, so nothing below the highest that we have seen is still to come. */
  let seen = 0
  const self = globalThis.crypto.randomUUID()
  const shared = Option.getOrUndefined(
    Option.map(
      sharing,
      ({ alone, announce, changes }): Recordings.SharedRecordings => ({
        reported: (of) =>
          alone(
            NAME,
            Effect.zipRight(
              sql`
              INSERT INTO recording_reports (node, path, teller)
              SELECT DISTINCT value ->> 0, value ->> 1, ${self} FROM json_array_elements(${toJson(of.map(({ node, path }) => [node, path]))}::json)
              ON CONFLICT (node, path) DO UPDATE SET seq = excluded.seq, at = excluded.at, teller = excluded.teller`
                .withoutTransform,
              Effect.zipRight(
                sql`DELETE FROM recording_reports WHERE at < now() - interval '7 days'`.withoutTransform,
                announce(NAME)
              )
            )
          ).pipe(Effect.mapError(writeFailed)),
        news: Effect.gen(function* () {
          const reports = yield* Effect.flatMap(
            sql`SELECT seq, node, path FROM recording_reports WHERE seq > ${seen} AND teller <> ${self} ORDER BY seq`
              .withoutTransform,
            decodeReports
          )
          const news: Array<Effect.Effect.Success<Recordings.SharedRecordings["news"]>[number]> = []
          for (const { node, path, seq } of reports) {
            const rows = yield* sql`
              SELECT node, path, start_at, end_at, file FROM recordings WHERE node = ${node} AND path = ${path}
              ORDER BY start_at`.withoutTransform
            news.push({ node, path, rows: decodeRows(rows).good })
            seen = seq
          }
          return news
        }).pipe(Effect.mapError(readFailed), Effect.withTracerEnabled(false)),
        changes: changes(NAME)
      })
    )
  )

  const store: Recordings.RecordingsStore = {
    shared,
    load: Effect.gen(function* () {
      const rows = yield* sql`SELECT node, path, start_at, file, end_at FROM recordings ORDER BY start_at`
        .withoutTransform
      const cursors = yield* Effect.flatMap(
        sql`SELECT cursor FROM recordings_cursor WHERE id = 1`.withoutTransform,
        decodeCursor
      )
      const { bad, good } = decodeRows(rows)
      // What was told before is in it.
      const [newest] = Option.isNone(sharing)
        ? []
        : yield* Effect.flatMap(
            sql`SELECT seq, node, path FROM recording_reports ORDER BY seq DESC LIMIT 1`.withoutTransform,
            decodeReports
          )
      seen = newest?.seq ?? 0
      if (bad > 0) yield* Effect.logWarning(`Skipped ${bad} rows of the index of recordings that do not decode`)
      return { rows: good, cursor: cursors[0]?.cursor ?? 0 }
    }).pipe(Effect.mapError(readFailed)),

    write: (upsert, remove, cursor) =>
      Effect.gen(function* () {
        if (yield* isOld(cursor)) return "behind" as const
        for (const rows of slices(remove)) {
          yield* deleteRows(toJson(rows.map((r) => [r.node, r.path, r.start, r.file ?? ""]))).withoutTransform
        }
        for (const rows of slices(upsert)) {
          yield* upsertRows(toJson(rows.map((r) => [r.node, r.path, r.start, r.file ?? "", r.end]))).withoutTransform
        }
        yield* sql`
          INSERT INTO recordings_cursor (id, cursor) VALUES (1, ${cursor})
          ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor`.withoutTransform
        return "written" as const
      }).pipe(sql.withTransaction, Effect.mapError(writeFailed))
  }
  return store
})

/** Over the database of the SqlClient, whose migrations must have been run. */
export const make = (options: Recordings.RecordingsOptions = {}) =>
  Effect.flatMap(makeStore, (store) => Recordings.make({ ...options, store }))

/**
 * Feed it with `Recordings.pump` from the durable HookBus of the same database: its cursor is a position in that log.
 *
 * @example
 * ```ts
 * const Index = Recordings.pump.pipe(
 *   Layer.provideMerge(SqlRecordings.layer({ settings })),
 *   Layer.provideMerge(SqlHookBus.layer()),
 *   Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" }))
 * )
 * ```
 */
export const layer = (
  options?: Recordings.RecordingsOptions
): Layer.Layer<Recordings.Recordings, Recordings.RecordingsError, SqlClient.SqlClient> =>
  Layer.scoped(Recordings.Recordings, make(options))
