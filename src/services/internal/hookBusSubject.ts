/**
 * What a hook is about, and the last thing heard of it: how a repeated hook is told from a new one.
 *
 * @internal
 */
import type { BusEvent, Cursor } from "../HookBus.js"

/**
 * Key of the thing whose life the event is a step of, or undefined when the event never counts as a repetition: it has no
 * identity (an empty id), or happens again rightly (init, demand, node_*).
 *
 * `node` comes first and can't hold a separator, so that one node can't touch the subjects of another.
 */
export const subjectOf = (node: string, event: BusEvent): string | undefined => {
  switch (event.event) {
    case "connect":
    case "disconnect":
      return event.id === "" ? undefined : `${node}\nc\n${event.type}\n${event.id}`
    case "available":
    case "unavailable":
      return event.id === "" ? undefined : `${node}\na\n${event.path}\n${event.id}`
    case "online":
    case "offline":
      return event.id === "" ? undefined : `${node}\no\n${event.path}\n${event.id}`
    case "read":
    case "unread":
      return event.id === "" ? undefined : `${node}\nr\n${event.path}\n${event.id}`
    case "record_segment_create":
    case "record_segment_complete":
      return event.segmentPath === "" ? undefined : `${node}\ns\n${event.path}\n${event.segmentPath}`
    default:
      return undefined
  }
}

/** Whether this was the last step of its subject's life. */
const ends = (name: BusEvent["event"]): boolean =>
  name === "disconnect" ||
  name === "unavailable" ||
  name === "offline" ||
  name === "unread" ||
  name === "record_segment_complete"

export interface LastEvent {
  readonly name: BusEvent["event"]
  /** Where it was recorded. */
  readonly cursor: Cursor
  /** When it was last heard, epoch milliseconds. */
  readonly at: number
}

/** Default bound of `LastEvents`: some 15 MB at worst. */
export const maxSubjects = 50_000

/** A subject that ended is remembered for this long, so that a late repetition of its end is still known. */
export const rememberEnded = 15 * 60 * 1000

/**
 * The last event of each subject, the least recently heard first. Bounded: past `capacity` the least recently heard
 * eighth is forgotten, and a repetition of those is then recorded as new, which is harmless.
 */
export class LastEvents {
  private readonly subjects = new Map<string, LastEvent>()
  constructor(private readonly capacity: number = maxSubjects) {}

  get size(): number {
    return this.subjects.size
  }

  /** The last event of `subject` if it has this name, now heard again at `at`. */
  repeats(subject: string, name: BusEvent["event"], at: number): LastEvent | undefined {
    const last = this.subjects.get(subject)
    if (last === undefined || last.name !== name) return undefined
    this.set(subject, name, last.cursor, at)
    return last
  }

  set(subject: string, name: BusEvent["event"], cursor: Cursor, at: number): void {
    // A Map keeps the order of insertion: leaving and coming back makes it the most recent.
    this.subjects.delete(subject)
    this.subjects.set(subject, { name, cursor, at })
    if (this.subjects.size > this.capacity) this.forgetOldest(Math.ceil(this.capacity / 8))
  }

  /**
   * Many at once: a Map keeps the places of deleted entries until it grows, so looking for the oldest one each time would
   * walk over thousands of them.
   */
  private forgetOldest(count: number): void {
    for (const subject of this.subjects.keys()) {
      if (count-- <= 0) return
      this.subjects.delete(subject)
    }
  }

  /** Forgets the subjects that ended before `before` (epoch milliseconds). */
  forgetEnded(before: number): void {
    for (const [subject, last] of this.subjects) {
      if (last.at >= before) return
      if (ends(last.name)) this.subjects.delete(subject)
    }
  }
}

/** Runs of a node's relay that are remembered, and nodes. */
const maxRuns = 4
const maxNodes = 20_000

/** The last delivery of each node's relay. A relay delivers in order, one report after the other. */
export class Deliveries {
  private readonly nodes = new Map<string, Map<string, { readonly number: number; readonly cursor: Cursor }>>()

  /** Where the event of this very delivery, or of one after it, was recorded; undefined when it is new. */
  repeats(node: string, event: BusEvent): Cursor | undefined {
    const delivery = deliveryOf(event)
    if (delivery === undefined) return undefined
    const last = this.nodes.get(node)?.get(delivery.run)
    return last !== undefined && delivery.number <= last.number ? last.cursor : undefined
  }

  /** This was recorded. */
  set(node: string, event: BusEvent, cursor: Cursor): void {
    const delivery = deliveryOf(event)
    if (delivery === undefined) return
    const runs = this.nodes.get(node) ?? new Map()
    // The least recently heard first, as in LastEvents.
    this.nodes.delete(node)
    this.nodes.set(node, runs)
    runs.delete(delivery.run)
    runs.set(delivery.run, { number: delivery.number, cursor })
    for (const run of runs.keys()) {
      if (runs.size <= maxRuns) break
      runs.delete(run)
    }
    if (this.nodes.size <= maxNodes) return
    let count = maxNodes / 8
    for (const oldest of this.nodes.keys()) {
      if (count-- <= 0) return
      this.nodes.delete(oldest)
    }
  }
}

/** The two parts of `delivery`. */
export const deliveryOf = (event: BusEvent): { readonly run: string; readonly number: number } | undefined => {
  const text = "delivery" in event ? event.delivery : undefined
  if (text === undefined) return undefined
  const dot = text.lastIndexOf(".")
  return { run: text.slice(0, dot), number: Number(text.slice(dot + 1)) }
}
