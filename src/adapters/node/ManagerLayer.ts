/**
 * The prebuilt Node server as one layer: every service on one database (an embedded SQLite file, or
 * PostgreSQL for several managers), config and auth rules from watched
 * files, HTTP on node:http. `mtx-manager serve` runs exactly this.
 *
 * @example
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Layer, Redacted } from "effect"
 * import { ManagerLayer } from "@livecams/mtx-manager/node"
 *
 * const Server = ManagerLayer.layer({
 *   base: "https://manager.example.com",
 *   key: Redacted.make(process.env.KEY ?? ""),
 *   config: "/etc/mtx-manager",
 *   rules: "/etc/mtx-manager/manager.yml",
 *   database: "/var/lib/mtx-manager/manager.db"
 * })
 */
import { dirname, join } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as ManagerApi from "../../api/ManagerLayer.js"
import type { CommandTextError } from "../../mediamtx/CommandText.js"
import * as Argon2Node from "../../services/AuthPolicy/Argon2Node.js"
import type * as ConfigRenderer from "../../services/ConfigRenderer.js"
import type { ConfigRevisions } from "../../services/ConfigRevisions.js"
import type { ConfigSource } from "../../services/ConfigSource.js"
import * as Credentials from "../../services/Credentials.js"
import type { FleetStateError } from "../../services/FleetState.js"
import type { HookBusError, HookRetention } from "../../services/HookBus.js"
import * as JwtIssuer from "../../services/JwtIssuer.js"
import type { NodeCommandsError } from "../../services/NodeCommands.js"
import type { NodeConfigsError } from "../../services/NodeConfigs.js"
import * as NodeEventLog from "../../services/NodeEventLog.js"
import * as NodeRecordSettings from "../../services/NodeRecordSettings.js"
import type { HeartbeatPolicy, NodeRegistryError } from "../../services/NodeRegistry.js"
import * as ObjectStorage from "../../services/ObjectStorage.js"
import * as Playback from "../../services/Playback.js"
import type * as PlaybackQueue from "../../services/PlaybackQueue.js"
import * as Recordings from "../../services/Recordings.js"
import type { Rollout, RolloutError } from "../../services/Rollout.js"
import * as RolloutRenderer from "../../services/RolloutRenderer.js"
import type { TokenSessionsError } from "../../services/TokenSessions.js"
import * as Topology from "../../services/Topology.js"
import * as SqlFleetState from "../../sql/SqlFleetState.js"
import * as SqlHookBus from "../../sql/SqlHookBus.js"
import * as SqlJwtKeys from "../../sql/SqlJwtKeys.js"
import * as SqlNodeCommands from "../../sql/SqlNodeCommands.js"
import * as SqlNodeConfigs from "../../sql/SqlNodeConfigs.js"
import * as SqlNodeRegistry from "../../sql/SqlNodeRegistry.js"
import * as SqlPlaybackQueue from "../../sql/SqlPlaybackQueue.js"
import * as SqlRecordings from "../../sql/SqlRecordings.js"
import * as SqlRollouts from "../../sql/SqlRollouts.js"
import * as SqlTokenSessions from "../../sql/SqlTokenSessions.js"
import * as AuthRulesFile from "./AuthRulesFile.js"
import * as ConfigHistory from "./ConfigHistory.js"
import * as Database from "./Database.js"
import { isPostgres } from "./DatabaseUrl.js"
import { type ManagerFileError, parseManagerFile } from "./ManagerFile.js"
import * as NodeGauges from "./NodeGauges.js"
import * as NodeServer from "./NodeServer.js"
import * as RolloutPolicyFile from "./RolloutPolicyFile.js"
import * as TopologyFile from "./TopologyFile.js"

export interface ManagerOptions
  extends NodeServer.NodeServerOptions,
    Omit<ConfigRenderer.ConfigRendererOptions, "base"> {
  /** How nodes reach the manager. It stands in every node's config. */
  readonly base: string | URL
  /** The shared key. Does everything when it is the only one. */
  readonly key: Redacted.Redacted
  /** The shared key before this one, while nodes go by it: see `KeyRotation`. */
  readonly previousKey?: Redacted.Redacted | undefined
  /** Splits administration off the shared key. */
  readonly adminKey?: Redacted.Redacted | undefined
  /** May read `/metrics`, and nothing else. */
  readonly metricsKey?: Redacted.Redacted | undefined
  /** Opens the dashboard, and routes that only tell, for people who may look but not touch. */
  readonly viewerKey?: Redacted.Redacted | undefined
  /** A mediamtx.yml-shaped file, or a folder with `base.yml`, `overlays.yml` and `nodes/ID.yml`. */
  readonly config: string
  /** What nodes' configs are made of (default `files`): see `ConfigHistory`. */
  readonly configSource?: ConfigHistory.ConfigSourceKind | undefined
  /** The `manager.yml` with the auth rules. Absent: everybody is denied everything. */
  readonly rules: string
  /** How long an auth decision may take (default 2 seconds). */
  readonly authDeadline?: Duration.DurationInput | undefined
  /** SQLite file, `:memory:`, or `postgres://USER:PASSWORD@HOST/NAME`, which several managers may share. */
  readonly database: string
  /** When a node's silence counts. */
  readonly heartbeats?: Partial<HeartbeatPolicy> | undefined
  /** How many events are kept, and for how long. */
  readonly retention?: HookRetention | undefined
  /** Where clips go when `manager.yml` says nothing of storage (default: `clips` beside the database). */
  readonly clips?: string | undefined
  /** The time zone of the nodes, in which MediaMTX names its segments (default UTC, which containers have). */
  readonly timeZone?: string | undefined
  /** Leases and limits of clip jobs. */
  readonly playback?: PlaybackQueue.PlaybackQueueOptions | undefined
  /** Tokens for nodes with `authMethod: jwt` (default: `issuer` is `base`). */
  readonly jwt?: JwtIssuer.JwtIssuerOptions | undefined
}

/** Why the server can't start. Each has a message for people. */
export type ManagerError =
  | CommandTextError
  | ConfigHistory.ConfigHistoryError
  | FleetStateError
  | HookBusError
  | JwtIssuer.JwtIssuerError
  | ManagerFileError
  | NodeCommandsError
  | NodeConfigsError
  | TokenSessionsError
  | NodeRegistryError
  | NodeServer.ListenError
  | ObjectStorage.ObjectStorageError
  | PlaybackQueue.PlaybackQueueError
  | Recordings.RecordingsError
  | Database.DatabaseError
  | RolloutError

/** The storage that `manager.yml` names, else a folder. Read at the start: another one needs a restart. */
const clips = (
  options: ManagerOptions
): Layer.Layer<
  ObjectStorage.ObjectStorage,
  ManagerFileError | ObjectStorage.ObjectStorageError,
  FileSystem.FileSystem
> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const folder =
        options.clips ??
        (options.database === ":memory:" || isPostgres(options.database)
          ? "clips"
          : join(dirname(options.database), "clips"))
      const text = yield* AuthRulesFile.read(options.rules)
      const { storage } = yield* parseManagerFile(text ?? "", options.rules, { clips: folder })
      return ObjectStorage.layer(storage, options)
    })
  )

/** Clips: the index of recordings, the queue of jobs, and the storage. */
const playback = (options: ManagerOptions) => {
  const zone = { timeZone: options.timeZone }
  const recordings = Recordings.pump.pipe(
    Layer.provideMerge(
      Layer.unwrapEffect(Effect.map(NodeRecordSettings.make(zone), (settings) => SqlRecordings.layer({ settings })))
    )
  )
  const queue = Layer.unwrapEffect(
    Effect.gen(function* () {
      const storage = yield* ObjectStorage.ObjectStorage
      const partDuration = yield* NodeRecordSettings.partDuration(zone)
      return SqlPlaybackQueue.layer({
        partDuration,
        objectExists: (name) => Effect.map(storage.head(storage.clipKey(name)), Option.isSome),
        deleteObject: (name) => storage.delete(storage.clipKey(name)),
        ...options.playback
      })
    })
  )
  return Playback.layer().pipe(Layer.provideMerge(queue), Layer.provideMerge(Layer.merge(recordings, clips(options))))
}

/** The services of the server beyond those that its HTTP can't be without. */
export type PlaybackServices =
  | Playback.Playback
  | PlaybackQueue.PlaybackQueue
  | Recordings.Recordings
  | ObjectStorage.ObjectStorage

/** The services of the server, for programs that want them beside its HTTP. */
export const services = (
  options: ManagerOptions
): Layer.Layer<
  | ManagerApi.Services
  | JwtIssuer.JwtIssuer
  | Rollout
  | PlaybackServices
  | ConfigSource
  | ConfigRevisions
  | Topology.Topology,
  Exclude<ManagerError, NodeServer.ListenError>,
  FileSystem.FileSystem | Path.Path
> => {
  const issuer = JwtIssuer.layer({ issuer: String(options.base), ...options.jwt }).pipe(Layer.provide(SqlJwtKeys.layer))
  // One and the same for all that build on it.
  const database = Database.layer(options.database)
  const source = ConfigHistory.layer(options).pipe(Layer.provide(database))
  const registry = Layer.merge(
    SqlHookBus.layer(options.retention),
    SqlNodeRegistry.layer({ policy: options.heartbeats })
  ).pipe(Layer.provide(database))
  const credentials = Credentials.layer({
    key: options.key,
    previousKey: options.previousKey,
    adminKey: options.adminKey,
    metricsKey: options.metricsKey,
    viewerKey: options.viewerKey
  })
  const topology = TopologyFile.layer({ file: options.rules }).pipe(
    Layer.provide(registry),
    Layer.provide(source),
    Layer.provideMerge(credentials)
  )
  const storage = Layer.mergeAll(
    SqlFleetState.layer(),
    NodeEventLog.layer,
    SqlNodeCommands.layer(),
    SqlNodeConfigs.layer(),
    SqlTokenSessions.layer(),
    issuer,
    playback(options)
  ).pipe(Layer.provideMerge(registry), Layer.provide(topology), Layer.provide(database), Layer.provide(source))
  const renderer = Layer.unwrapEffect(
    Effect.map(RolloutPolicyFile.make(options.rules), (policy) => RolloutRenderer.layer({ ...options, policy }))
  ).pipe(
    Layer.provide(SqlRollouts.layer.pipe(Layer.provide(database))),
    Layer.provide(storage),
    Layer.provide(source),
    Layer.provideMerge(topology)
  )
  const rules = AuthRulesFile.layer({ file: options.rules, deadline: options.authDeadline }).pipe(
    Layer.provide(Argon2Node.layer())
  )
  const auth = Topology.guard.pipe(Layer.provide(rules), Layer.provide(topology))
  return Layer.mergeAll(storage, renderer, auth, source)
}

/** The server. It listens when the layer is built, and drains when its scope is closed. */
export const layer = (
  options: ManagerOptions
): Layer.Layer<NodeServer.NodeServer, ManagerError, FileSystem.FileSystem | Path.Path> =>
  NodeServer.layer(options).pipe(
    Layer.provide(ManagerApi.layer),
    Layer.provide(NodeGauges.layer),
    Layer.provide(services(options))
  )
