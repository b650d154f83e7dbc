/**
 * RolloutStore on a SQL database: a rollout goes on where it was after a restart of the manager. This process must be the only
 * writer of the tables.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { RolloutError, RolloutRecord, RolloutStore, type RolloutStoreShape } from "../services/Rollout.js"
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
const decodeParts = Schema.decodeUnknown(Schema.Array(PartRow))

const unreadable = (cause: unknown) =>
  new RolloutError({ message: "The rollouts could not be read from the database", cause })
/** The driver's error could quote the statement's parameters, a config among them: its message only. */
const unwritten = (cause: { readonly message: string }) =>
  new RolloutError({
    message: "A rollout could not be written (is the disk full, or the database locked?)",
    cause: new Error(cause.message)
  })

export const make: Effect.Effect<RolloutStoreShape, never, SqlClient.SqlClient> = Effect.map(
  SqlClient.SqlClient,
  (sql): RolloutStoreShape => ({
    load: Effect.gen(function* () {
      const rollouts = yield* decodeRecords(yield* sql`SELECT record FROM rollouts ORDER BY id`.withoutTransform)
      const [state] = yield* decodeState(
        yield* sql`SELECT settled, stack FROM rollout_state WHERE id = 1`.withoutTransform
      )
      return {
        settled: state?.settled ?? undefined,
        stack: state?.stack ?? [],
        rollouts: rollouts.map(({ record }) => record)
      }
    }).pipe(Effect.mapError(unreadable)),
    config: (hash) =>
      sql`SELECT part, content FROM rollout_configs WHERE hash = ${hash} ORDER BY part`.withoutTransform.pipe(
        Effect.flatMap(decodeParts),
        Effect.mapBoth({
          // A parse error shows what did not fit, which may be a secret.
          onFailure: () => unreadable(undefined),
          onSuccess: (parts) => (parts.length === 0 ? undefined : parts.map(({ content }) => content).join(""))
        })
      ),
    save: ({ configs, keep, oldest, rollouts, settled, stack }) =>
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
      }).pipe(Effect.mapError(unwritten))
  })
)

/** Over the database of the SqlClient, whose migrations must have been run. */
export const layer: Layer.Layer<RolloutStore, never, SqlClient.SqlClient> = Layer.effect(RolloutStore, make)
