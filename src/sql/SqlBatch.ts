/**
 * Many rows in one statement with one bound parameter, for stores that write whole rows by their key: the statement's text
 * is the same for any number of rows, so it is prepared once, and no driver's limit of parameters is met.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

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
}

export const make = (sql: SqlClient.SqlClient, table: string, columns: Columns): Batch => {
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
  const put = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`INSERT INTO ${into} (${names}) SELECT ${typed} FROM json_array_elements(${batch}::json)
      ON CONFLICT (${key}) DO UPDATE SET ${replaced}`,
    // Without a WHERE, SQLite would read ON CONFLICT as the ON of a join.
    orElse: () => (batch: string) =>
      sql`INSERT INTO ${into} (${names}) SELECT ${plain} FROM json_each(${batch}) WHERE TRUE
      ON CONFLICT (${key}) DO UPDATE SET ${replaced}`
  })
  const drop = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`DELETE FROM ${into} WHERE ${key} IN (SELECT value FROM json_array_elements_text(${batch}::json))`,
    orElse: () => (batch: string) => sql`DELETE FROM ${into} WHERE ${key} IN (SELECT value FROM json_each(${batch}))`
  })
  return {
    all: sql`SELECT ${names} FROM ${into}`.withoutTransform,
    write: (upsert, remove) => {
      const putting = upsert.length === 0 ? undefined : put(toJson(upsert)).withoutTransform
      const dropping = remove.length === 0 ? undefined : drop(toJson(remove)).withoutTransform
      if (putting !== undefined && dropping !== undefined) {
        return Effect.asVoid(sql.withTransaction(Effect.zipRight(dropping, putting)))
      }
      return Effect.asVoid(putting ?? dropping ?? Effect.void)
    }
  }
}
