/** The contract suites of the services whose PostgreSQL layer has no tests of its own beside them. */
import { Effect, Layer } from "effect"
import * as SqlConfigRevisions from "../../src/sql/SqlConfigRevisions.js"
import * as SqlFleetState from "../../src/sql/SqlFleetState.js"
import * as SqlHookBus from "../../src/sql/SqlHookBus.js"
import * as SqlJwtKeys from "../../src/sql/SqlJwtKeys.js"
import * as SqlNodeCommands from "../../src/sql/SqlNodeCommands.js"
import * as SqlNodeConfigs from "../../src/sql/SqlNodeConfigs.js"
import * as SqlNodeRegistry from "../../src/sql/SqlNodeRegistry.js"
import * as SqlRecordings from "../../src/sql/SqlRecordings.js"
import * as SqlRollouts from "../../src/sql/SqlRollouts.js"
import * as SqlTokenSessions from "../../src/sql/SqlTokenSessions.js"
import { configRevisionsContract } from "../../src/testing/ConfigRevisionsContract.js"
import { fleetStateContract } from "../../src/testing/FleetStateContract.js"
import { jwtKeysContract } from "../../src/testing/JwtKeysContract.js"
import { nodeCommandsContract } from "../../src/testing/NodeCommandsContract.js"
import { nodeConfigsContract } from "../../src/testing/NodeConfigsContract.js"
import { nodeRegistryContract } from "../../src/testing/NodeRegistryContract.js"
import { recordingsContract } from "../../src/testing/RecordingsContract.js"
import { rolloutStoreContract } from "../../src/testing/RolloutStoreContract.js"
import { tokenSessionsContract } from "../../src/testing/TokenSessionsContract.js"
import { database, describePostgres } from "../support/Postgres.js"

await describePostgres("on PostgreSQL", (server) => {
  type Database = ReturnType<typeof database>
  const empty = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
    Layer.unwrapEffect(Effect.sync(() => Layer.fresh(Layer.provide(layer, database(server)))))
  const opened = <Options, A, E, R>(make: (options?: Options) => Layer.Layer<A, E, R>) =>
    Effect.sync(() => {
      const one: Database = database(server)
      return (options?: Options) => Layer.fresh(Layer.provide(make(options), one))
    })

  nodeRegistryContract("SqlNodeRegistry.layer on PostgreSQL", {
    layer: (options) => empty(SqlNodeRegistry.layer(options)),
    storage: opened(SqlNodeRegistry.layer)
  })

  const fleet = SqlFleetState.layer().pipe(Layer.provideMerge(Layer.merge(SqlHookBus.layer(), SqlNodeRegistry.layer())))
  fleetStateContract("SqlFleetState.layer on PostgreSQL", {
    layer: empty(fleet),
    storage: Effect.map(
      opened(() => fleet),
      (open) => open()
    )
  })

  recordingsContract("SqlRecordings.layer on PostgreSQL", {
    layer: (options) => empty(SqlRecordings.layer(options)),
    storage: opened(SqlRecordings.layer)
  })

  nodeCommandsContract("SqlNodeCommands.layer on PostgreSQL", {
    layer: (options) => empty(SqlNodeCommands.layer(options)),
    storage: opened(SqlNodeCommands.layer)
  })

  nodeConfigsContract("SqlNodeConfigs.layer on PostgreSQL", {
    layer: (options) => empty(SqlNodeConfigs.layer(options).pipe(Layer.provideMerge(SqlHookBus.layer()))),
    storage: opened((options: Parameters<typeof SqlNodeConfigs.layer>[0]) =>
      SqlNodeConfigs.layer(options).pipe(Layer.provideMerge(SqlHookBus.layer()))
    )
  })

  tokenSessionsContract("SqlTokenSessions.layer on PostgreSQL", {
    layer: (options) => empty(SqlTokenSessions.layer(options)),
    storage: opened(SqlTokenSessions.layer)
  })

  rolloutStoreContract("SqlRollouts.layer on PostgreSQL", { layer: empty(SqlRollouts.layer) })

  jwtKeysContract("SqlJwtKeys.layer on PostgreSQL", { layer: empty(SqlJwtKeys.layer) })

  configRevisionsContract("SqlConfigRevisions.layer on PostgreSQL", {
    layer: (options) => empty(SqlConfigRevisions.layer(options)),
    storage: opened(SqlConfigRevisions.layer)
  })
})
