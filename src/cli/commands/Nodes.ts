/**
 * `nodes`: who is in the fleet of a running manager.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { NodeView } from "../../api/NodesApi.js"
import type { CliError } from "../CliError.js"
import { Output, paint, printable, table } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"

export interface NodesOptions extends Flags {
  readonly json: boolean
}

const encodeView = Schema.encodeSync(NodeView)

export const lasting = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

const statusStyle = { online: "green", stale: "yellow", offline: "red" } as const

/** Null: it has not said what it runs. */
const inSync = ({ configStatus }: NodeView): boolean | null =>
  configStatus === "unknown" ? null : configStatus === "applied"

/** Where a node stands with its config, and since when. */
const config = (node: NodeView, now: number, color: boolean): string => {
  const since = lasting(now - node.configSince)
  switch (node.configStatus) {
    case "applied":
      // It runs what it should, and complains of something else.
      return node.error === null ? "in sync" : paint(`in sync, but: ${printable(node.error)}`, "yellow", color)
    case "wanted":
      return paint(`waiting for ${since}`, "yellow", color)
    case "failed":
      return paint(`failed: ${printable(node.error ?? "no reason given")}`, "red", color)
    case "drifted":
      return paint(`drifted for ${since}`, "red", color)
    case "unknown":
      return "-"
  }
}

export const nodes = (
  options: NodesOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Path.Path | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const remote = yield* Remote.connect(options)
    const records = yield* remote.client.nodes.list().pipe(Effect.mapError(Remote.explain(remote.base)))
    if (options.json) {
      return yield* output.line(
        JSON.stringify(
          records.map((record) => ({ ...encodeView(record), configInSync: inSync(record) })),
          undefined,
          2
        )
      )
    }
    if (records.length === 0) {
      return yield* output.line("no node has called yet: start one by the command that node-command prints")
    }
    const now = yield* Clock.currentTimeMillis
    const row = (record: NodeView): ReadonlyArray<string> => [
      record.id,
      paint(record.status, statusStyle[record.status], output.color),
      `${lasting(now - record.lastSeen)} ago`,
      record.mediamtxVersion === null ? "-" : printable(record.mediamtxVersion),
      config(record, now, output.color)
    ]
    const heading = ["NODE", "STATUS", "LAST SEEN", "VERSION", "CONFIG"].map((text) =>
      paint(text, "bold", output.color)
    )
    yield* output.line(table([heading, ...records.map(row)]))
  }).pipe(Effect.provide(Remote.layerHttp))
