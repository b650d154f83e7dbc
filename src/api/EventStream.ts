/**
 * The server-sent events of `GET /events`, written and read.
 *
 * Each event has the record's cursor as its `id` and the HookRecord in JSON as its `data`. A first block carries only an
 * `id`, so that a client that loses the connection before the first event still resumes where it began.
 */
import * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Cursor, type HookBusError, type HookBusShape, HookRecord } from "../services/HookBus.js"
import type { NodeId } from "../services/NodeId.js"

/** What a subscriber wants. */
export interface EventFilter {
  /** Starts after this cursor; with what happens from now on when absent. */
  readonly after?: Cursor | undefined
  readonly node?: NodeId | undefined
  /** Name of the only event wanted. */
  readonly event?: string | undefined
}

/** How often a silent stream says that it is alive: proxies close what is silent for a minute. */
const KEEP_ALIVE: Duration.DurationInput = "15 seconds"

/** Milliseconds that a browser waits before it connects again. */
const RETRY_MILLIS = 2_000

const encodeRecord = Schema.encodeSync(Schema.parseJson(HookRecord))

const block = (record: HookRecord): string => `id: ${record.cursor}\ndata: ${encodeRecord(record)}\n\n`

const wanted =
  (filter: EventFilter) =>
  (record: HookRecord): boolean =>
    (filter.node === undefined || record.node === filter.node) &&
    (filter.event === undefined || record.event.event === filter.event)

/**
 * The text of an event stream. It ends when `until` returns, or when the bus fails (the client then resumes).
 * The bus keeps no buffer for it beyond a chunk: a slow client reads from the log.
 */
export const encode = (
  bus: HookBusShape,
  filter: EventFilter,
  until: Effect.Effect<void>
): Effect.Effect<Stream.Stream<string>, HookBusError> =>
  Effect.gen(function* () {
    const after = filter.after ?? (yield* bus.latest)
    const records = bus.subscribe({ after }).pipe(Stream.filter(wanted(filter)), Stream.map(block))
    const ticks = Stream.fromSchedule(Schedule.spaced(KEEP_ALIVE)).pipe(Stream.map(() => ": keep-alive\n\n"))
    return Stream.merge(records, ticks, { haltStrategy: "left" }).pipe(
      Stream.catchAllCause((cause) =>
        Stream.drain(Stream.fromEffect(Effect.logWarning("an event stream was cut: the log could not be read", cause)))
      ),
      Stream.interruptWhen(until),
      (body) => Stream.concat(Stream.make(`retry: ${RETRY_MILLIS}\nid: ${after}\n\n`), body)
    )
  })

/** One block of an event stream as it was received. */
export interface ServerSentEvent {
  readonly id: string | undefined
  /** Undefined for a block without data: an id or a comment only. */
  readonly data: string | undefined
}

const parseBlock = (text: string): ServerSentEvent => {
  let id: string | undefined
  let data: string | undefined
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":")
    if (colon === 0) continue
    const field = colon === -1 ? line : line.slice(0, colon)
    const raw = colon === -1 ? "" : line.slice(colon + 1)
    const value = raw.startsWith(" ") ? raw.slice(1) : raw
    if (field === "id") id = value
    else if (field === "data") data = data === undefined ? value : `${data}\n${value}`
  }
  return { id, data }
}

/** Splits text into the blocks of an event stream, whatever the chunks it comes in. Ends with the source. */
export const decode = <E, R>(text: Stream.Stream<string, E, R>): Stream.Stream<ServerSentEvent, E, R> =>
  text.pipe(
    Stream.mapAccum("", (rest, chunk): [string, ReadonlyArray<ServerSentEvent>] => {
      // A \r at the end may be half of a line break: it stays for the next round.
      const joined = (rest + chunk).replaceAll("\r\n", "\n")
      const parts = joined.split("\n\n")
      const last = parts.pop() ?? ""
      return [last, parts.map(parseBlock)]
    }),
    Stream.mapConcatChunk(Chunk.fromIterable)
  )
