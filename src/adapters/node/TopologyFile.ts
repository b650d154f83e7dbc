/**
 * The `addresses`, `groups` and `locator` of a `manager.yml`, in force as long as the file stands. An edit takes effect
 * within a second; one that is not valid leaves the last good ones in force, of which `AuthRulesFile` tells, as it reads
 * the same file.
 */
import { dirname } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { ConfigSource } from "../../services/ConfigSource.js"
import type { Credentials } from "../../services/Credentials.js"
import { adopt } from "../../services/internal/mergeConfig.js"
import type { NodeRegistry, NodeRegistryError } from "../../services/NodeRegistry.js"
import * as Topology from "../../services/Topology.js"
import { read } from "./AuthRulesFile.js"
import { type ManagerFileError, parseManagerFile } from "./ManagerFile.js"

export interface TopologyFileOptions {
  /** The `manager.yml`. It may be absent. */
  readonly file: string
  /** How often the file is looked at besides the file system's own notices, which get lost (default 5 seconds). */
  readonly every?: Duration.DurationInput | undefined
}

/** An editor writes in several steps: what it does within this time is one change. */
const SETTLE = Duration.millis(150)

/** Fails when the file is there but not valid. */
export const layer = (
  options: TopologyFileOptions
): Layer.Layer<
  Topology.Topology,
  ManagerFileError | NodeRegistryError,
  FileSystem.FileSystem | NodeRegistry | ConfigSource | Credentials
> =>
  Layer.scoped(
    Topology.Topology,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { file } = options
      let seen = yield* read(file)
      const first = yield* parseManagerFile(seen ?? "", file)
      const topology = yield* Topology.make(first.topology)

      const look = Effect.gen(function* () {
        const text = yield* read(file)
        if (text === seen) return
        seen = text
        const parsed = parseManagerFile(text ?? "", file)
        if (Either.isLeft(parsed)) return
        // What comes back is equal to what went in: an edit of the auth rules alone is no change here.
        const next = adopt(topology.current(), parsed.right.topology) as Topology.FleetTopology
        if (next === topology.current()) return
        yield* topology.set(next)
        yield* Effect.logInfo(`addresses, groups and locator of ${file} have changed and are in force`)
      }).pipe(Effect.ignore)

      const notices = fs.watch(dirname(file)).pipe(
        Stream.debounce(SETTLE),
        Stream.catchAll(() => Stream.empty)
      )
      const ticks = Stream.fromSchedule(Schedule.spaced(options.every ?? "5 seconds"))
      yield* Effect.forkScoped(Stream.runForEach(Stream.merge(notices, ticks), () => look))
      return topology
    })
  )
