/**
 * Many rows in one statement with one bound parameter, for stores that write whole rows by their key: the statement's text
 * is the same for any number of rows, so it is prepared once, and no driver's limit of parameters is met.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { SharingShape } from "./Sharing.js"

/** Some drivers give integers of 64 bits as text. */
export const Integer = Schema.Union(Schema.Int, Schema.NumberFromString.pipe(Schema.int()))

/** Rows in JSON, for a parameter. PostgreSQL keeps no NUL in a text, and one node's must not keep others from being written. */
export const toJson = (rows: ReadonlyArray<unknown>): string => {
  const text = JSON.stringify(rows)
  return text.includes("\\u0000")
    ? JSON.stringify(rows, (_, value: unknown) =>
        typeof value === "string" ? value.replaceAll("\0", "\uFFFD") : value
      )
    : text
}

/** Name, and type where the rows come out of JSON. The first column is the key. */
export type Columns = readonly [readonly [name: string, type: string], ...ReadonlyArray<readonly [string, string]>]

export interface Batch {
  readonly all: Effect.Effect<ReadonlyArray<unknown>, SqlError>
  /** Replaces rows and deletes others by their keys, all or nothing. Values are in the order of the columns. */
  readonly write: (
    upsert: ReadonlyArray<ReadonlyArray<string | number | null>>,
    remove: ReadonlyArray<string>
  ) => Effect.Effect<void, SqlError>
  /** Where several managers share the database; writes take their turn then. */
  readonly shared: SharedRows | undefined
}

export interface SharedRows {
  /** Turns are nested at will. */
  readonly alone: <A, E>(turn: Effect.Effect<A, E>) => Effect.Effect<A, E | SqlError>
  /** Rows that were written since this was last asked. */
  readonly news: Effect.Effect<ReadonlyArray<unknown>, SqlError>
  readonly changes: Stream.Stream<void>
}

const decodeSeq = Schema.decodeUnknownOption(Schema.Struct({ seq: Integer }))

/** Puts rows into a table, given as JSON; one whose key is there is replaced. On PostgreSQL the table has a column `seq`. */
export const upsertInto = (sql: SqlClient.SqlClient, table: string, columns: Columns) => {
  const into = sql.literal(table)
  const key = sql.literal(columns[0][0])
  const names = sql.literal(columns.map(([name]) => name).join(", "))
  const replaced = sql.literal(
    columns
      .slice(1)
      .map(([name]) => `${name} = excluded.${name}`)
      .join(", ")
  )
  const typed = sql.literal(columns.map(([, type], i) => `(value ->> ${i})::${type}`).join(", "))
  const plain = sql.literal(columns.map((_, i) => `value ->> ${i}`).join(", "))
  return sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`INSERT INTO ${into} (${names}) SELECT ${typed} FROM json_array_elements(${batch}::json)
      ON CONFLICT (${key}) DO UPDATE SET ${replaced}, seq = excluded.seq`,
    // Without a WHERE, SQLite would read ON CONFLICT as the ON of a join.
    orElse: () => (batch: string) =>
      sql`INSERT INTO ${into} (${names}) SELECT ${plain} FROM json_each(${batch}) WHERE TRUE
      ON CONFLICT (${key}) DO UPDATE SET ${replaced}`
  })
}

/** With a Sharing, the table has a column `seq`. */
export const make = (
  sql: SqlClient.SqlClient,
  table: string,
  columns: Columns,
  sharing: Option.Option<SharingShape>
): Batch => {
  const into = sql.literal(table)
  const key = sql.literal(columns[0][0])
  const names = sql.literal(columns.map(([name]) => name).join(", "))
  const put = upsertInto(sql, table, columns)
  const drop = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`DELETE FROM ${into} WHERE ${key} IN (SELECT value FROM json_array_elements_text(${batch}::json))`,
    orElse: () => (batch: string) => sql`DELETE FROM ${into} WHERE ${key} IN (SELECT value FROM json_each(${batch}))`
  })
  /** Numbers are given out in turns, so nothing below the highest that we have seen is still to come. */
  let seen = 0
  const shared = Option.getOrUndefined(
    Option.map(
      sharing,
      ({ alone, announce, changes }): SharedRows & { readonly announce: Effect.Effect<void, SqlError> } => ({
        alone: (turn) => alone(table, turn),
        announce: announce(table),
        changes: changes(table),
        news: Effect.suspend(
          () => sql`SELECT seq, ${names} FROM ${into} WHERE seq > ${seen} ORDER BY seq`.withoutTransform
        ).pipe(
          Effect.tap((rows) =>
            Effect.sync(() => {
              seen = Option.getOrElse(decodeSeq(rows[rows.length - 1]), () => ({ seq: seen })).seq
            })
          ),
          Effect.withTracerEnabled(false)
        )
      })
    )
  )
  const inTurn = (writing: Effect.Effect<unknown, SqlError>): Effect.Effect<void, SqlError> =>
    shared === undefined ? Effect.asVoid(writing) : shared.alone(Effect.zipRight(writing, shared.announce))
  return {
    shared,
    all: sql`SELECT ${names} FROM ${into}`.withoutTransform,
    write: (upsert, remove) => {
      const putting = upsert.length === 0 ? undefined : put(toJson(upsert)).withoutTransform
      const dropping = remove.length === 0 ? undefined : drop(toJson(remove)).withoutTransform
      if (putting !== undefined && dropping !== undefined) {
        return inTurn(sql.withTransaction(Effect.zipRight(dropping, putting)))
      }
      const writing = putting ?? dropping
      return writing === undefined ? Effect.void : inTurn(writing)
    }
  }
}
