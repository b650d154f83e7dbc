/**
 * A Worker that runs the contract suites of the state's services where they have to hold: inside a Durable Object, over its
 * own SQLite and over D1. `GET /` lists the tests, `POST /` runs the one that its body names.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as HookBus from "../../../../src/services/HookBus.js"
import type { NodeConfigsOptions } from "../../../../src/services/NodeConfigs.js"
import * as D1 from "../../../../src/sql/D1.js"
import * as DurableObjectSqlite from "../../../../src/sql/DurableObjectSqlite.js"
import * as SqlConfigRevisions from "../../../../src/sql/SqlConfigRevisions.js"
import * as SqlFleetState from "../../../../src/sql/SqlFleetState.js"
import * as SqlHookBus from "../../../../src/sql/SqlHookBus.js"
import * as SqlJwtKeys from "../../../../src/sql/SqlJwtKeys.js"
import * as SqlNodeCommands from "../../../../src/sql/SqlNodeCommands.js"
import * as SqlNodeConfigs from "../../../../src/sql/SqlNodeConfigs.js"
import * as SqlNodeRegistry from "../../../../src/sql/SqlNodeRegistry.js"
import * as SqlPlaybackQueue from "../../../../src/sql/SqlPlaybackQueue.js"
import * as SqlRecordings from "../../../../src/sql/SqlRecordings.js"
import * as SqlRollouts from "../../../../src/sql/SqlRollouts.js"
import * as SqlTokenSessions from "../../../../src/sql/SqlTokenSessions.js"
import { configRevisionsContract } from "../../../../src/testing/ConfigRevisionsContract.js"
import { fleetStateContract } from "../../../../src/testing/FleetStateContract.js"
import { hookBusContract } from "../../../../src/testing/HookBusContract.js"
import { jwtKeysContract } from "../../../../src/testing/JwtKeysContract.js"
import { nodeCommandsContract } from "../../../../src/testing/NodeCommandsContract.js"
import { nodeConfigsContract } from "../../../../src/testing/NodeConfigsContract.js"
import { nodeRegistryContract } from "../../../../src/testing/NodeRegistryContract.js"
import { playbackQueueContract } from "../../../../src/testing/PlaybackQueueContract.js"
import { recordingsContract } from "../../../../src/testing/RecordingsContract.js"
import { rolloutStoreContract } from "../../../../src/testing/RolloutStoreContract.js"
import { tokenSessionsContract } from "../../../../src/testing/TokenSessionsContract.js"
import { tests } from "./MiniVitest.js"
import { sqlClientSuite } from "./SqlClientSuite.js"

interface Storage extends DurableObjectSqlite.DurableObjectSqliteStorage {
  deleteAll(): Promise<void>
}
interface Env {
  readonly RUNNER: {
    idFromName(name: string): unknown
    get(id: unknown): { fetch(request: Request): Promise<Response> }
  }
  readonly DB: D1.D1Database
}

/** What the test that runs was given: each has an object of its own, and they run one at a time. */
let given: { readonly storage: Storage; readonly db: D1.D1Database } | undefined
/** Rises each time that a storage is emptied: what was left over by a crash that a test has staged writes no more. */
let generation = 0

const here = Effect.suspend(() =>
  given === undefined ? Effect.dieMessage("no test is running") : Effect.succeed({ ...given, generation })
)

const alive = <A>(born: number, use: () => A): A => {
  if (born !== generation) throw new Error("this process is dead")
  return use()
}

const objectOf = ({ generation: born, storage }: Effect.Effect.Success<typeof here>) =>
  DurableObjectSqlite.layer({
    sql: { exec: (query, ...bindings) => alive(born, () => storage.sql.exec(query, ...bindings)) },
    transaction: (closure) => alive(born, () => storage.transaction(closure))
  })

const d1Of = ({ db, generation: born }: Effect.Effect.Success<typeof here>) =>
  D1.layer({
    prepare: (query) => alive(born, () => db.prepare(query)),
    batch: (statements) => alive(born, () => db.batch(statements))
  })

const emptyD1 = async (db: D1.D1Database) => {
  const { results } = await db
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name <> 'sqlite_sequence'"
    )
    .all()
  const drops = results.map(({ name }) => db.prepare(`DROP TABLE "${String(name)}"`))
  if (drops.length > 0) await db.batch(drops)
}

const emptied = (empty: (of: Effect.Effect.Success<typeof here>) => Promise<void>) =>
  Effect.flatMap(here, (of) => {
    generation++
    return Effect.promise(() => empty(of))
  })

const databases = {
  "Durable Object SQLite": {
    open: Layer.unwrapEffect(Effect.map(here, objectOf)),
    empty: emptied(({ storage }) => storage.deleteAll()),
    interactive: true
  },
  D1: {
    open: Layer.unwrapEffect(Effect.map(here, d1Of)),
    empty: emptied(({ db }) => emptyD1(db)),
    interactive: false
  }
}

for (const [name, { empty, interactive, open }] of Object.entries(databases)) {
  const fresh = Layer.unwrapEffect(Effect.as(empty, open))
  sqlClientSuite(name, { fresh, again: Layer.fresh(open), interactive })
  hookBusContract(`SqlHookBus.layer on ${name}`, {
    layer: (retention) => Layer.provide(SqlHookBus.layer(retention), fresh),
    storage: Effect.as(empty, (retention) => Layer.provide(SqlHookBus.layer(retention), open))
  })
  nodeRegistryContract(`SqlNodeRegistry.layer on ${name}`, {
    layer: (options) => Layer.provide(SqlNodeRegistry.layer(options), fresh),
    storage: Effect.as(empty, (options) => Layer.provide(SqlNodeRegistry.layer(options), open))
  })
  const fleet = SqlFleetState.layer().pipe(
    Layer.provideMerge(Layer.merge(SqlHookBus.layer(), SqlNodeRegistry.layer())),
    Layer.fresh
  )
  fleetStateContract(`SqlFleetState.layer on ${name}`, {
    layer: Layer.provide(fleet, fresh),
    storage: Effect.as(empty, Layer.provide(fleet, open))
  })
  recordingsContract(`SqlRecordings.layer on ${name}`, {
    layer: (options) => Layer.fresh(Layer.provide(SqlRecordings.layer(options), fresh)),
    storage: Effect.as(empty, (options) => Layer.fresh(Layer.provide(SqlRecordings.layer(options), open)))
  })
  playbackQueueContract(`SqlPlaybackQueue.layer on ${name}`, {
    layer: (options) => Layer.fresh(Layer.provide(SqlPlaybackQueue.layer(options), fresh)),
    storage: Effect.as(empty, (options) => Layer.fresh(Layer.provide(SqlPlaybackQueue.layer(options), open))),
    histories: 5
  })
  nodeCommandsContract(`SqlNodeCommands.layer on ${name}`, {
    layer: (options) => Layer.fresh(Layer.provide(SqlNodeCommands.layer(options), fresh)),
    storage: Effect.as(empty, (options) => Layer.fresh(Layer.provide(SqlNodeCommands.layer(options), open)))
  })
  const configs = (options?: NodeConfigsOptions) =>
    SqlNodeConfigs.layer(options).pipe(Layer.provideMerge(HookBus.layerMemory()), Layer.fresh)
  nodeConfigsContract(`SqlNodeConfigs.layer on ${name}`, {
    layer: (options) => Layer.provide(configs(options), fresh),
    storage: Effect.as(empty, (options) => Layer.provide(configs(options), open))
  })
  configRevisionsContract(`SqlConfigRevisions.layer on ${name}`, {
    layer: (options) => Layer.fresh(Layer.provide(SqlConfigRevisions.layer(options), fresh)),
    storage: Effect.as(empty, (options) => Layer.fresh(Layer.provide(SqlConfigRevisions.layer(options), open)))
  })
  tokenSessionsContract(`SqlTokenSessions.layer on ${name}`, {
    layer: (options) => Layer.fresh(Layer.provide(SqlTokenSessions.layer(options), fresh)),
    storage: Effect.as(empty, (options) => Layer.fresh(Layer.provide(SqlTokenSessions.layer(options), open)))
  })
  rolloutStoreContract(`SqlRollouts.layer on ${name}`, { layer: Layer.fresh(Layer.provide(SqlRollouts.layer, fresh)) })
  jwtKeysContract(`SqlJwtKeys.layer on ${name}`, { layer: Layer.provide(SqlJwtKeys.layer, fresh) })
}

export class Runner {
  readonly #storage: Storage
  readonly #db: D1.D1Database
  constructor(ctx: { readonly storage: Storage }, env: Env) {
    this.#storage = ctx.storage
    this.#db = env.DB
  }
  async fetch(request: Request): Promise<Response> {
    const run = tests.get(await request.text())
    if (run === undefined) return new Response("no such test", { status: 404 })
    given = { storage: this.#storage, db: this.#db }
    try {
      await run()
      return new Response(null, { status: 204 })
    } catch (error) {
      return new Response(error instanceof Error ? (error.stack ?? error.message) : String(error), { status: 500 })
    }
  }
}

const worker = {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.method === "GET") return Response.json([...tests.keys()])
    const name = await request.clone().text()
    return env.RUNNER.get(env.RUNNER.idFromName(name)).fetch(request)
  }
}
// biome-ignore lint/style/noDefaultExport: the runtime wants it so
export default worker
