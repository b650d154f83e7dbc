/**
 * How a SQLite connection is set up: every PRAGMA that we rely on, in one typed value, applied once when the layer is built.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface SqliteTuning {
  /**
   * What an acknowledged write survives.
   * - `FULL` (default): a power loss. Each commit waits for the disk; the hook log commits in groups, so it costs little.
   * - `NORMAL`: a crash of the manager; a power loss may take the last commits, but never harms the file.
   */
  readonly synchronous?: "FULL" | "NORMAL" | undefined
  /**
   * How long a statement waits for another process's lock (default 1 second). It waits on the event loop: while it does,
   * nothing else is answered.
   */
  readonly busyTimeout?: Duration.DurationInput | undefined
  /** Memory for pages of the database, in KiB (default 16,384). */
  readonly cacheKiB?: number | undefined
  /** The write-ahead log is merged into the file when it has this many pages of 4 KiB (default 1,000). */
  readonly walAutocheckpoint?: number | undefined
  /** A write-ahead log that a burst has blown up is cut back to this many bytes (default 64 MiB). */
  readonly journalSizeLimit?: number | undefined
}

interface Pragma {
  readonly name: string
  readonly set: string
  /** What reading it back must say. */
  readonly expected: string | number
}

/** The PRAGMAs of `tuning`, in the order in which they are applied. */
export const pragmas = (tuning: SqliteTuning = {}): ReadonlyArray<Pragma> => {
  const number = (name: string, value: number): Pragma => ({ name, set: String(value), expected: value })
  const synchronous = tuning.synchronous ?? "FULL"
  return [
    // First: switching the journal mode may itself have to wait for a lock.
    number("busy_timeout", Math.ceil(Duration.toMillis(tuning.busyTimeout ?? Duration.seconds(1)))),
    { name: "journal_mode", set: "WAL", expected: "wal" },
    { name: "synchronous", set: synchronous, expected: synchronous === "FULL" ? 2 : 1 },
    { name: "foreign_keys", set: "ON", expected: 1 },
    { name: "temp_store", set: "MEMORY", expected: 2 },
    // Negative: in KiB instead of pages.
    number("cache_size", -(tuning.cacheKiB ?? 16_384)),
    number("wal_autocheckpoint", tuning.walAutocheckpoint ?? 1000),
    number("journal_size_limit", tuning.journalSizeLimit ?? 64 * 1024 * 1024)
  ]
}

/**
 * Applies `tuning` to the connection and reads each PRAGMA back: SQLite ignores one that it can't follow without a word
 * (WAL on some network file systems, for instance), and we have promised durability.
 *
 * Only an in-memory database may keep its own journal mode.
 */
export const apply = Effect.fn("SqliteTuning.apply")(function* (tuning: SqliteTuning = {}) {
  const sql = yield* SqlClient.SqlClient
  for (const { name, set, expected } of pragmas(tuning)) {
    // PRAGMAs take no parameters. `set` is built above from numbers and literals only.
    yield* sql.unsafe(`PRAGMA ${name} = ${set}`).withoutTransform
    const rows = yield* sql.unsafe(`PRAGMA ${name}`).values
    const actual = rows[0]?.[0]
    if (actual !== expected && !(name === "journal_mode" && actual === "memory")) {
      return yield* new SqlError({
        cause: undefined,
        message: `SQLite did not take PRAGMA ${name} = ${set}: it is ${actual} instead of ${expected}`
      })
    }
  }
})
