/** When a node was there: its last 24 hours as a strip, from what the event log still holds. */
import { useEffect, useMemo, useState } from "preact/hooks"
import { showDateTime, showDuration } from "../Format.js"
import { readEvents, sleep } from "../Live.js"
import type { EventRecord, NodeView } from "../Wire.js"
import { useNow } from "./Parts.js"

/** What the strip shows: a day, or all the time that a younger node has been known. */
const LONGEST = 24 * 3_600_000
const SHORTEST = 10 * 60_000
/** How far back the log is read: further than a day on most fleets, and soon done on all. */
const EVENTS = 20_000
const AGAIN = 3_000

type Presence = NodeView["status"] | "unknown"

interface Change {
  readonly at: number
  readonly to: Presence
  readonly from: Presence
}

const changeOf = ({ at, event }: EventRecord): Change | undefined => {
  switch (event.event) {
    case "node_online":
    case "node_stale":
    case "node_offline": {
      const to = event.event === "node_online" ? "online" : event.event === "node_stale" ? "stale" : "offline"
      return { at: Date.parse(event.since ?? at), to, from: event.previous }
    }
    default:
      return undefined
  }
}

/** The events of one node, from some way back and as they come. */
export const useNodeEvents = (node: string, cursor: number | undefined): ReadonlyArray<EventRecord> => {
  const [records, setRecords] = useState<ReadonlyArray<EventRecord>>([])
  const known = cursor !== undefined
  // The cursor moves all the time: where reading begins does not.
  useEffect(() => {
    setRecords([])
    if (cursor === undefined) return
    const controller = new AbortController()
    let found: Array<EventRecord> = []
    let timer: ReturnType<typeof setTimeout> | undefined
    const show = () => {
      timer = undefined
      found = found.slice(-1_000)
      setRecords(found)
    }
    const path = `/events?node=${encodeURIComponent(node)}&after=${Math.max(0, cursor - EVENTS)}`
    const read = async () => {
      let last: string | undefined
      const take = (id: string | undefined, record: EventRecord | undefined) => {
        if (id !== undefined) last = id
        if (record === undefined) return
        found.push(record)
        timer ??= setTimeout(show, 200)
      }
      while (!controller.signal.aborted) {
        // What breaks it off is told by the frame around the page.
        await readEvents(path, last, controller.signal, take).catch(() => undefined)
        await sleep(AGAIN, controller.signal)
      }
    }
    void read()
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [node, known])
  return records
}

export const PresenceStrip = (props: { readonly node: NodeView; readonly records: ReadonlyArray<EventRecord> }) => {
  const { node, records } = props
  const now = Math.floor(useNow() / 10_000) * 10_000
  const span = Math.min(LONGEST, Math.max(SHORTEST, now - Date.parse(node.firstSeen)))
  const parts = useMemo(() => {
    const begin = now - span
    const changes = records
      .map(changeOf)
      .filter((change): change is Change => change !== undefined)
      .sort((a, b) => a.at - b.at)
    const since = Date.parse(node.firstSeen)
    const out: Array<{ from: number; to: number; state: Presence }> = []
    const add = (from: number, to: number, state: Presence) => {
      if (Math.max(from, begin) < to) out.push({ from: Math.max(from, begin), to, state })
    }
    add(begin, since, "unknown")
    let at = since
    let state: Presence = changes[0]?.from ?? (Date.parse(node.statusSince) <= since ? node.status : "unknown")
    if (changes.length === 0 && state === "unknown") {
      add(at, Date.parse(node.statusSince), "unknown")
      at = Date.parse(node.statusSince)
      state = node.status
    }
    for (const change of changes) {
      add(at, change.at, state)
      at = Math.max(at, change.at)
      state = change.to
    }
    add(at, now, state)
    return out
  }, [records, node.firstSeen, node.status, node.statusSince, now, span])
  const online = parts.filter(({ state }) => state === "online").reduce((sum, { from, to }) => sum + to - from, 0)
  const known = parts.filter(({ state }) => state !== "unknown").reduce((sum, { from, to }) => sum + to - from, 0)
  const label = `Online ${known === 0 ? 0 : Math.round((online / known) * 1000) / 10} % of the last ${showDuration(known)}`
  return (
    <>
      <svg class="strip" viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label={label}>
        <rect class="unknown" x="0" y="0" width="1000" height="20" />
        {parts.map(({ from, state, to }) => (
          <rect
            key={from}
            class={state}
            x={((from - now + span) / span) * 1000}
            y="0"
            width={Math.max(1, ((to - from) / span) * 1000)}
            height="20"
          >
            <title>
              {state}: {showDateTime(from)} – {showDateTime(to)}
            </title>
          </rect>
        ))}
      </svg>
      <p class="soft">
        {label}, by the event log. The strip is {showDuration(span)} long.
      </p>
    </>
  )
}
