/**
 * RolloutStore on a SQL database: a rollout goes on where it was after a restart of the manager. With a Sharing, several
 * managers write in turns, each on what it has read; without one, this process must be the only writer of the tables.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import {
  RolloutBehind,
  RolloutError,
  RolloutRecord,
  RolloutStore,
  type RolloutStoreShape,
  type StoredRollouts
} from "../services/Rollout.js"
import { Sharing } from "./Sharing.js"
import * as SqlBatch from "./SqlBatch.js"

/** Characters of a config in one row: below every database's limit, even if each takes three bytes. */
const PART = 256 * 1024

const RecordRow = Schema.Struct({ record: Schema.parseJson(RolloutRecord) })
const decodeRecords = Schema.decodeUnknown(Schema.Array(RecordRow))
const encodeRecord = Schema.encode(Schema.parseJson(RolloutRecord))
const StateRow = Schema.Struct({
  settled: Schema.NullOr(Schema.String),
  stack: Schema.parseJson(Schema.Array(Schema.Int))
})
const decodeState = Schema.decodeUnknown(Schema.Array(StateRow))
const HashRow = Schema.Struct({ hash: Schema.String })
const decodeHashes = Schema.decodeUnknown(Schema.Array(HashRow))
const PartRow = Schema.Struct({ part: SqlBatch.Integer, content: Schema.String })
const decodeSeq = Schema.decodeUnknown(Schema.Array(Schema.Struct({ seq: SqlBatch.Integer })))
const decodeParts = Schema.decodeUnknown(Schema.Array(PartRow))

const unreadable = (cause: unknown) =>
  new RolloutError({ message: "The rollouts could not be read from the database", cause })
/** The driver's error could quote the statement's parameters, a config among them: its message only. */
const unwritten = (cause: { readonly message: string }) =>
  new RolloutError({
    message: "A rollout could not be written (is the disk full, or the database locked?)",
    cause: new Error(cause.message)
  })

/** Of the turns in which managers write, and of what they announce. */
const NAME = "rollouts"

const read = (sql: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    const rollouts = yield* decodeRecords(yield* sql`SELECT record FROM rollouts ORDER BY id`.withoutTransform)
    const [state] = yield* decodeState(
      yield* sql`SELECT settled, stack FROM rollout_state WHERE id = 1`.withoutTransform
    )
    return {
      settled: state?.settled ?? undefined,
      stack: state?.stack ?? [],
      rollouts: rollouts.map(({ record }) => record)
    }
  })

const write = (
  sql: SqlClient.SqlClient,
  { configs, keep, oldest, rollouts, settled, stack }: Parameters<RolloutStoreShape["save"]>[0]
) =>
  Effect.gen(function* () {
    const known = new Set(
      (yield* decodeHashes(yield* sql`SELECT DISTINCT hash FROM rollout_configs`.withoutTransform)).map(
        ({ hash }) => hash
      )
    )
    const records = yield* Effect.forEach(rollouts, (record) =>
      Effect.map(encodeRecord(record), (text) => ({ id: record.id, text }))
    )
    yield* sql.withTransaction(
      Effect.gen(function* () {
        for (const [hash, text] of configs) {
          if (known.has(hash) || !keep.has(hash)) continue
          for (let part = 0; part * PART < text.length; part++) {
            const content = text.slice(part * PART, (part + 1) * PART)
            yield* sql`INSERT INTO rollout_configs (hash, part, content) VALUES (${hash}, ${part}, ${content})
              ON CONFLICT (hash, part) DO NOTHING`.withoutTransform
          }
        }
        for (const { id, text } of records) {
          yield* sql`INSERT INTO rollouts (id, record) VALUES (${id}, ${text})
            ON CONFLICT (id) DO UPDATE SET record = excluded.record`.withoutTransform
        }
        yield* sql`INSERT INTO rollout_state (id, settled, stack)
          VALUES (1, ${settled ?? null}, ${JSON.stringify(stack)})
          ON CONFLICT (id) DO UPDATE SET settled = excluded.settled, stack = excluded.stack`.withoutTransform
        for (const hash of known) {
          if (!keep.has(hash)) yield* sql`DELETE FROM rollout_configs WHERE hash = ${hash}`.withoutTransform
        }
        yield* sql`DELETE FROM rollouts WHERE id < ${oldest}`.withoutTransform
      })
    )
  })

/** Every turn gives the state the next number, by which others see that there was one. */
const shareIn = (sql: SqlClient.SqlClient, sharing: typeof Sharing.Service) => {
  /** The turn whose outcome is known here. */
  let seen: number | undefined
  const newest = Effect.map(
    Effect.flatMap(sql`SELECT seq FROM rollout_state WHERE id = 1`.withoutTransform, decodeSeq),
    ([row]) => row?.seq
  )
  const load = sharing.alone(NAME, Effect.all([newest, read(sql)])).pipe(
    Effect.tap(([seq]) => Effect.sync(() => (seen = seq))),
    Effect.mapBoth({ onFailure: unreadable, onSuccess: ([, stored]) => stored })
  )
  return {
    load,
    save: (change: Parameters<RolloutStoreShape["save"]>[0]) =>
      sharing
        .alone(
          NAME,
          Effect.gen(function* () {
            if ((yield* newest) !== seen) {
              return yield* new RolloutBehind({ message: "other managers change rollouts at this moment: try again" })
            }
            yield* write(sql, change)
            const [turn] = yield* decodeSeq(
              yield* sql`UPDATE rollout_state SET seq = nextval('mtx_writes') WHERE id = 1 RETURNING seq`
                .withoutTransform
            )
            yield* sharing.announce(NAME)
            return turn?.seq
          })
        )
        .pipe(
          Effect.mapBoth({
            onFailure: (error) => (error instanceof RolloutBehind ? error : unwritten(error)),
            onSuccess: (seq) => {
              seen = seq
            }
          })
        ),
    shared: {
      news: newest.pipe(
        Effect.mapError(unreadable),
        Effect.flatMap(
          (seq): Effect.Effect<StoredRollouts | undefined, RolloutError> =>
            seq === seen ? Effect.succeed(undefined) : load
        )
      ),
      changes: sharing.changes(NAME)
    }
  }
}

export const make: Effect.Effect<RolloutStoreShape, never, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sharing = yield* Effect.serviceOption(Sharing)
  return {
    load: Effect.mapError(read(sql), unreadable),
    save: (change) => Effect.mapError(write(sql, change), unwritten),
    ...(Option.isSome(sharing) && shareIn(sql, sharing.value)),
    config: (hash) =>
      sql`SELECT part, content FROM rollout_configs WHERE hash = ${hash} ORDER BY part`.withoutTransform.pipe(
        Effect.flatMap(decodeParts),
        Effect.mapBoth({
          // A parse error shows what did not fit, which may be a secret.
          onFailure: () => unreadable(undefined),
          onSuccess: (parts) => (parts.length === 0 ? undefined : parts.map(({ content }) => content).join(""))
        })
      )
  }
})

/** Over the database of the SqlClient, whose migrations must have been run. */
export const layer: Layer.Layer<RolloutStore, never, SqlClient.SqlClient> = Layer.effect(RolloutStore, make)
