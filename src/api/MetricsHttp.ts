/**
 * The handler of `/metrics`: counters from Effect's metric registry (one for the process, however many managers run in it),
 * and gauges that are looked up when somebody asks, so that they cost nothing in between.
 *
 * No label holds a node, a path or anything else that others choose: their number does not grow with the fleet.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { Credentials } from "../services/Credentials.js"
import { FleetState } from "../services/FleetState.js"
import { HookBus } from "../services/HookBus.js"
import { NodeConfigs } from "../services/NodeConfigs.js"
import { ConfigStatus, NodeStatus } from "../services/NodeEvent.js"
import { PlaybackJobState } from "../services/PlaybackJob.js"
import { PlaybackQueue } from "../services/PlaybackQueue.js"
import { Unavailable } from "./ApiError.js"
import { ManagerApi } from "./ManagerApi.js"
import { CONTENT_TYPE, type Family, fromRegistry, render } from "./PrometheusText.js"
import { RuntimeGauges } from "./RuntimeGauges.js"

/** What the names of our metrics begin with. Others in the same process are others' business. */
const PREFIX = "mtx_manager_"

/** Below this part of its size, a node's disk counts as nearly full. */
const LOW_DISK = 0.1

const unavailable = (error: unknown) =>
  Effect.zipRight(
    Effect.logError("the metrics can't be put together", error),
    Effect.fail(new Unavailable({ message: "the metrics can't be put together", retryAfter: 5 }))
  )

const plain = (name: string, help: string, value: number): Family => ({ name, help, samples: [{ value }] })

/** How many there are of each, with those of which there are none: a series that comes and goes can't be alerted on. */
const by = <Word extends string>(
  name: string,
  help: string,
  label: string,
  words: ReadonlyArray<Word>,
  count: (word: Word) => number
): Family => ({
  name,
  help,
  samples: words.map((word) => ({ labels: { [label]: word }, value: count(word) }))
})

export const metricsGroup = HttpApiBuilder.group(ManagerApi, "metrics", (handlers) =>
  Effect.gen(function* () {
    const fleet = yield* FleetState
    const bus = yield* HookBus
    const configs = yield* NodeConfigs
    const queue = Option.getOrUndefined(yield* Effect.serviceOption(PlaybackQueue))
    // Absent without a rotation.
    const { rotation } = yield* Credentials
    const runtime = Option.getOrUndefined(yield* Effect.serviceOption(RuntimeGauges))

    const gauges = Effect.gen(function* () {
      const { connections, nodes, paths, publishers, readers } = yield* fleet.snapshot
      const latest = yield* bus.latest
      const [oldest] = yield* bus.read({ after: 0, limit: 1 })
      const tally = <Word extends string>(words: Iterable<Word>) => {
        const counts = new Map<Word, number>()
        for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
        return (word: Word) => counts.get(word) ?? 0
      }
      const families: Array<Family> = [
        by(
          "mtx_manager_nodes",
          "Nodes that have ever called and were not removed, by status",
          "status",
          NodeStatus.literals,
          tally(nodes.map(({ status }) => status))
        ),
        by(
          "mtx_manager_nodes_config",
          "Nodes by how they stand with the config that they should run",
          "status",
          ConfigStatus.literals,
          tally(nodes.map(({ id }) => configs.unsafeGet(id)?.configStatus ?? "unknown"))
        ),
        plain(
          "mtx_manager_nodes_behind_key",
          "Nodes that go by the previous key, as far as they have called since the start",
          rotation?.behind().size ?? 0
        ),
        plain(
          "mtx_manager_nodes_with_error",
          "Nodes whose last heartbeat told of an error",
          nodes.filter(({ error }) => error !== null).length
        ),
        plain(
          "mtx_manager_nodes_disk_low",
          "Nodes that reported less than a tenth of their disk as free",
          nodes.filter(({ disk }) => disk !== null && disk.total > 0 && disk.free / disk.total < LOW_DISK).length
        ),
        by(
          "mtx_manager_paths",
          "Paths that exist on nodes: all, those whose stream can be read, those whose real source is there",
          "state",
          ["all", "available", "online"] as const,
          (state) => (state === "all" ? paths.length : paths.filter((path) => path[state]).length)
        ),
        plain("mtx_manager_publishers", "Publishers of paths on all nodes", publishers.length),
        plain("mtx_manager_readers", "Readers of paths on all nodes", readers.length),
        plain("mtx_manager_connections", "RTSP, RTMP and SRT connections on all nodes", connections.length),
        plain("mtx_manager_hook_log_cursor", "Cursor of the newest event in the log", latest),
        plain(
          "mtx_manager_hook_log_oldest_cursor",
          "Cursor of the oldest event that is kept; 0 when none is",
          oldest?.cursor ?? 0
        )
      ]
      if (queue !== undefined) {
        const counts = queue.unsafeCounts()
        families.push(
          by(
            "mtx_manager_playback_jobs",
            "Clip jobs that are known, by state",
            "state",
            PlaybackJobState.literals,
            (state) => counts.get(state) ?? 0
          )
        )
      }
      return runtime === undefined ? families : [...families, ...(yield* runtime.read)]
    })

    return handlers.handleRaw("scrape", () =>
      gauges.pipe(
        Effect.catchAll(unavailable),
        Effect.map((families) =>
          HttpServerResponse.text(fromRegistry(Metric.unsafeSnapshot(), PREFIX) + render(families), {
            contentType: CONTENT_TYPE,
            headers: { "cache-control": "no-store" }
          })
        )
      )
    )
  })
)
