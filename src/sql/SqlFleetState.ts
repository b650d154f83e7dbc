/**
 * FleetState on a SQL database: what is open survives a restart, and a crash loses or doubles nothing.
 *
 * The rows that changed and the cursor up to which the hook log was read are written in one transaction. What was read later
 * is read again after a crash.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as FleetState from "../services/FleetState.js"
import type { HookBus } from "../services/HookBus.js"
import { NodeId } from "../services/NodeId.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import { Sharing } from "./Sharing.js"
import { toJson } from "./SqlBatch.js"

/** Some drivers give integers of 64 bits as text. */
const Integer = Schema.Union(Schema.Int, Schema.NumberFromString.pipe(Schema.int()))

const Row = Schema.Struct({
  node: NodeId,
  kind: FleetState.RowKind,
  path: Schema.String,
  type: Schema.String,
  id: Schema.String,
  since: Integer,
  seen: Integer,
  cursor: Integer,
  ended: Schema.NullOr(Integer)
})
const decodeRow = Schema.decodeUnknownEither(Row)
const decodeCursor = Schema.decodeUnknown(Schema.Array(Schema.Struct({ cursor: Integer })))

/** Rows that go into one statement: the event loop waits for it. */
const AT_ONCE = 500

const failed = (message: string) => (cause: unknown) => new FleetState.FleetStateError({ message, cause })

const slices = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, i) => all.slice(i * AT_ONCE, (i + 1) * AT_ONCE))

const makeStore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sharing = yield* Effect.serviceOption(Sharing)

  // The batch is one bound parameter, so the statement's text is the same for any number of rows and is prepared once.
  const upsertRows = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`
      INSERT INTO fleet_rows (node, kind, path, type, id, since, seen, cursor, ended)
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
        (value ->> 5)::bigint, (value ->> 6)::bigint, (value ->> 7)::bigint, (value ->> 8)::bigint
      FROM json_array_elements(${batch}::json)
      ON CONFLICT (node, kind, path, type, id) DO UPDATE SET
        since = excluded.since, seen = excluded.seen, cursor = excluded.cursor, ended = excluded.ended`,
    // Without a WHERE, SQLite would read ON CONFLICT as the ON of a join.
    orElse: () => (batch: string) =>
      sql`
      INSERT INTO fleet_rows (node, kind, path, type, id, since, seen, cursor, ended)
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
        value ->> 5, value ->> 6, value ->> 7, value ->> 8
      FROM json_each(${batch}) WHERE TRUE
      ON CONFLICT (node, kind, path, type, id) DO UPDATE SET
        since = excluded.since, seen = excluded.seen, cursor = excluded.cursor, ended = excluded.ended`
  })
  const deleteRows = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`
      DELETE FROM fleet_rows WHERE (node, kind, path, type, id) IN (
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
        FROM json_array_elements(${batch}::json))`,
    orElse: () => (batch: string) =>
      sql`
      DELETE FROM fleet_rows WHERE (node, kind, path, type, id) IN (
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(${batch}))`
  })

  /**
   * With several managers each keeps its own picture of one log: what one writes must not take the stored one back.
   */
  const isOld = (cursor: number) =>
    Option.isNone(sharing)
      ? Effect.succeed(false)
      : Effect.map(
          Effect.flatMap(sql`SELECT cursor FROM fleet_cursor WHERE id = 1 FOR UPDATE`.withoutTransform, decodeCursor),
          ([stored]) => stored !== undefined && stored.cursor > cursor
        )

  const store: FleetState.FleetStore = {
    load: Effect.gen(function* () {
      const rows = yield* sql`SELECT node, kind, path, type, id, since, seen, cursor, ended FROM fleet_rows`
        .withoutTransform
      const cursors = yield* Effect.flatMap(
        sql`SELECT cursor FROM fleet_cursor WHERE id = 1`.withoutTransform,
        decodeCursor
      )
      const good: Array<FleetState.StoredRow> = []
      let bad = 0
      for (const row of rows) {
        const decoded = decodeRow(row)
        if (Either.isRight(decoded)) good.push(decoded.right)
        else bad++
      }
      if (bad > 0) yield* Effect.logWarning(`Skipped ${bad} rows of the fleet's state that do not decode`)
      return { rows: good, cursor: cursors[0]?.cursor ?? 0 }
    }).pipe(Effect.mapError(failed("The fleet's state could not be read from the database"))),

    write: (upsert, remove, cursor) =>
      Effect.gen(function* () {
        if (yield* isOld(cursor)) return "behind" as const
        for (const rows of slices(upsert)) {
          const values = rows.map((r) => [r.node, r.kind, r.path, r.type, r.id, r.since, r.seen, r.cursor, r.ended])
          yield* upsertRows(toJson(values)).withoutTransform
        }
        for (const rows of slices(remove)) {
          const keys = rows.map((r) => [r.node, r.kind, r.path, r.type, r.id])
          yield* deleteRows(toJson(keys)).withoutTransform
        }
        yield* sql`
          INSERT INTO fleet_cursor (id, cursor) VALUES (1, ${cursor})
          ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor`.withoutTransform
        return "written" as const
      }).pipe(
        sql.withTransaction,
        Effect.mapError(failed("The fleet's state could not be written (is the disk full, or the database locked?)"))
      )
  }
  return store
})

/** Over the database of the SqlClient, whose migrations must have been run. */
export const make = (options: FleetState.FleetStateOptions = {}) =>
  Effect.flatMap(makeStore, (store) => FleetState.make({ ...options, store }))

/** Give it the durable HookBus of the same database: the cursor that it keeps is a position in that log. */
export const layer = (
  options?: FleetState.FleetStateOptions
): Layer.Layer<FleetState.FleetState, FleetState.FleetStateError, HookBus | NodeRegistry | SqlClient.SqlClient> =>
  Layer.scoped(FleetState.FleetState, make(options))
