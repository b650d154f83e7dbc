/**
 * Traffic: how many bytes streams carry, from the counters that updaters report with their heartbeats.
 *
 * MediaMTX counts from where a stream began; what a second carries is the difference between a node's last two reports.
 * Kept in memory alone: after a start of the manager two heartbeats bring it back. Of several managers, each knows what was
 * reported to it. A node that runs without an updater reports nothing.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { NodeId } from "./NodeId.js"
import type { Heartbeat } from "./NodeRegistry.js"
import { Timestamp } from "./Timestamp.js"

const rates = {
  /** Bytes that came in in a second, as of the last two reports; 0 after the first. */
  receivedPerSecond: Schema.NonNegative,
  /** Bytes that went out to readers in a second. */
  sentPerSecond: Schema.NonNegative
}

/** A stream on one node. */
export const StreamTraffic = Schema.Struct({
  node: NodeId,
  path: Schema.String,
  /** Bytes since the stream began on this node, as that counts them. */
  bytesReceived: Schema.NonNegative,
  bytesSent: Schema.NonNegative,
  ...rates
}).annotations({ identifier: "StreamTraffic" })
export type StreamTraffic = typeof StreamTraffic.Type

export const FleetTraffic = Schema.Struct({
  at: Timestamp,
  /** How many nodes have reported lately: the figures are of these. */
  nodes: Schema.NonNegativeInt,
  ...rates,
  /** The busiest first. A stream that one node pulls from another is counted on both. */
  streams: Schema.Array(StreamTraffic)
}).annotations({ identifier: "FleetTraffic" })
export type FleetTraffic = typeof FleetTraffic.Type

export interface TrafficQuery {
  /** Only this node's. */
  readonly node?: NodeId | undefined
  /** Only streams of this path. */
  readonly path?: string | undefined
  /** How many streams are listed; the sums are of all. */
  readonly top: number
}

export interface TrafficShape {
  /** Takes what a heartbeat says of bytes. At once and in memory, as every heartbeat does it. */
  readonly unsafeReport: (node: NodeId, beat: Pick<Heartbeat, "paths" | "every">) => void
  readonly unsafeForget: (node: NodeId) => void
  readonly get: (query: TrafficQuery) => Effect.Effect<FleetTraffic>
}

export class Traffic extends Context.Tag("mtx-manager/Traffic")<Traffic, TrafficShape>() {}

interface Counted {
  readonly received: number
  readonly sent: number
  readonly receivedPerSecond: number
  readonly sentPerSecond: number
}

interface Report {
  readonly at: number
  /** Not shown any more from then on. */
  readonly until: number
  readonly paths: ReadonlyMap<string, Counted>
}

/** A report counts until three more were due, and for a minute at least. */
const LEAST = 60_000
const MISSED = 3
/** Reports that come closer upon each other tell no rate. */
const CLOSEST = 500

const nothing: Counted = { received: 0, sent: 0, receivedPerSecond: 0, sentPerSecond: 0 }

/** What was counted between two readings; a counter that went down has begun anew. */
const grown = (before: number, now: number): number => (now >= before ? now - before : now)

export const make: Effect.Effect<TrafficShape> = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const reports = new Map<NodeId, Report>()

  const unsafeReport: TrafficShape["unsafeReport"] = (node, { every, paths }) => {
    if (paths === undefined) return
    const at = clock.unsafeCurrentTimeMillis()
    const last = reports.get(node)
    const before = last !== undefined && last.until > at && last.at <= at ? last : undefined
    const elapsed = before === undefined ? 0 : at - before.at
    if (before !== undefined && elapsed < CLOSEST) return
    const counted = new Map<string, Counted>()
    for (const { bytesReceived, bytesSent, name } of paths) {
      if (bytesReceived === undefined && bytesSent === undefined) continue
      const received = bytesReceived ?? 0
      const sent = bytesSent ?? 0
      // One that was not in the list before has begun since.
      const old = before?.paths.get(name) ?? nothing
      const perSecond = (bytes: number) => (elapsed === 0 ? 0 : (bytes * 1000) / elapsed)
      counted.set(name, {
        received,
        sent,
        receivedPerSecond: perSecond(grown(old.received, received)),
        sentPerSecond: perSecond(grown(old.sent, sent))
      })
    }
    // A node without any stream is one that reports, if it has told of bytes before.
    if (counted.size === 0 && before === undefined) return
    const until = at + Math.max(LEAST, MISSED * (every ?? 0) * 1000)
    reports.set(node, { at, until, paths: counted })
  }

  return {
    unsafeReport,
    unsafeForget: (node) => {
      reports.delete(node)
    },
    get: ({ node, path, top }) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        const streams: Array<StreamTraffic> = []
        let nodes = 0
        let receivedPerSecond = 0
        let sentPerSecond = 0
        for (const [id, report] of node === undefined ? reports : [[node, reports.get(node)] as const]) {
          if (report === undefined) continue
          if (report.until <= at) {
            reports.delete(id)
            continue
          }
          nodes++
          const of = path === undefined ? report.paths : ([[path, report.paths.get(path)]] as const)
          for (const [name, counted] of of) {
            if (counted === undefined) continue
            receivedPerSecond += counted.receivedPerSecond
            sentPerSecond += counted.sentPerSecond
            if (top === 0) continue
            streams.push({
              node: id,
              path: name,
              bytesReceived: counted.received,
              bytesSent: counted.sent,
              receivedPerSecond: counted.receivedPerSecond,
              sentPerSecond: counted.sentPerSecond
            })
          }
        }
        const busy = (stream: StreamTraffic) => stream.receivedPerSecond + stream.sentPerSecond
        streams.sort((a, b) => busy(b) - busy(a))
        return { at, nodes, receivedPerSecond, sentPerSecond, streams: streams.slice(0, top) }
      })
  }
})

export const layer: Layer.Layer<Traffic> = Layer.effect(Traffic, make)
