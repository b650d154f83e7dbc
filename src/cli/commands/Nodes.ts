/**
 * `nodes`: who is in the fleet of a running manager.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { ConfigRenderer } from "../../services/ConfigRenderer.js"
import type { NodeId } from "../../services/NodeId.js"
import { NodeRecord } from "../../services/NodeRegistry.js"
import { keyOf } from "../Access.js"
import type { CliError } from "../CliError.js"
import * as LastServe from "../LastServe.js"
import * as OfflineRenderer from "../OfflineRenderer.js"
import { Output, paint, printable, table } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"

export interface NodesOptions extends Flags {
  readonly json: boolean
}

const encodeRecord = Schema.encodeSync(NodeRecord)

const ago = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 120) return `${seconds} s ago`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h ago`
  return `${Math.round(seconds / 86_400)} d ago`
}

const statusStyle = { online: "green", stale: "yellow", offline: "red" } as const

/**
 * The hash that each node should report. Known only on the machine of the server, whose config is rendered here once more:
 * asking the server for a node's config would count as a sign of life of that node.
 */
const wantedHashes = (remote: Remote.Remote, nodes: ReadonlyArray<NodeId>) =>
  Effect.gen(function* () {
    const last = yield* LastServe.read(remote.settings.data)
    if (last === undefined || last.base !== remote.base) return new Map<NodeId, string>()
    const key = yield* keyOf(remote.settings)
    const hashes = yield* Effect.provide(
      Effect.flatMap(ConfigRenderer, (renderer) =>
        Effect.forEach(nodes, (node) =>
          Effect.map(Effect.either(renderer.render(node)), (rendered) =>
            Either.isRight(rendered) ? ([node, rendered.right.hash] as const) : undefined
          )
        )
      ),
      OfflineRenderer.layer(remote.settings, key)
    )
    return new Map(hashes.filter((entry) => entry !== undefined))
  }).pipe(Effect.orElseSucceed(() => new Map<NodeId, string>()))

export const nodes = (
  options: NodesOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Path.Path | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const remote = yield* Remote.connect(options)
    const records = yield* remote.client.nodes.list().pipe(Effect.mapError(Remote.explain(remote.base)))
    const wanted = yield* wantedHashes(
      remote,
      records.map(({ id }) => id)
    )
    const inSync = ({ appliedHash, id }: NodeRecord): boolean | undefined => {
      const hash = wanted.get(id)
      return hash === undefined || appliedHash === null ? undefined : hash === appliedHash
    }
    if (options.json) {
      const shown = records.map((record) => ({ ...encodeRecord(record), configInSync: inSync(record) ?? null }))
      return yield* output.line(JSON.stringify(shown, undefined, 2))
    }
    if (records.length === 0) {
      return yield* output.line("no node has called yet: start one by the command that node-command prints")
    }
    const now = yield* Clock.currentTimeMillis
    const row = (record: NodeRecord): ReadonlyArray<string> => {
      const synced = inSync(record)
      const config =
        record.error !== null
          ? paint(`failed: ${printable(record.error)}`, "red", output.color)
          : synced === undefined
            ? (record.appliedHash?.slice(0, 8) ?? "-")
            : synced
              ? "in sync"
              : paint("differs", "yellow", output.color)
      return [
        record.id,
        paint(record.status, statusStyle[record.status], output.color),
        ago(now - record.lastSeen),
        record.mediamtxVersion === null ? "-" : printable(record.mediamtxVersion),
        config
      ]
    }
    const heading = ["NODE", "STATUS", "LAST SEEN", "VERSION", "CONFIG"].map((text) =>
      paint(text, "bold", output.color)
    )
    yield* output.line(table([heading, ...records.map(row)]))
  }).pipe(Effect.provide(Remote.layerHttp))
