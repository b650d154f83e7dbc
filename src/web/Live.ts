/**
 * The fleet as it is: `GET /events` tells that something happened, `GET /state` what there is.
 *
 * The events are read by fetch rather than by EventSource, which can't be told apart from a browser's own request and keeps
 * its reasons to itself. After a break it goes on after the last event that it has.
 */
import { ApiProblem, get, send, session } from "./Api.js"
import { Store } from "./Store.js"
import type { EventRecord, FleetSnapshot, Traffic } from "./Wire.js"

export type Connection = "connecting" | "live" | "lost"

export const connection = new Store<Connection>("connecting")
export const snapshot = new Store<FleetSnapshot | undefined>(undefined)

/** The last events, the newest first: also some from before the page was opened. */
export const events = new Store<ReadonlyArray<EventRecord>>([])
const KEPT_EVENTS = 2_000
/** How far back the log is read when the page is opened. */
const BACKLOG = 500

/** How many events came in each second, the oldest first; the last is the second that is under way. */
export const SECONDS = 300
export const rate = new Store<{ readonly at: number; readonly counts: ReadonlyArray<number> }>({
  at: 0,
  counts: []
})

/** The bytes of the fleet: how many a second, each time that was asked. */
export const traffic = new Store<{
  readonly now: Traffic | undefined
  /** Seconds since 1970, the oldest first. */
  readonly at: ReadonlyArray<number>
  readonly received: ReadonlyArray<number>
  readonly sent: ReadonlyArray<number>
}>({ now: undefined, at: [], received: [], sent: [] })

const RETRY_FIRST = 500
const RETRY_LONGEST = 10_000
/** The manager says something every 15 seconds. */
const SILENCE = 40_000
/** Pictures of a fleet in which much happens are at least this far apart. */
const PACE = 1_000
/** Nodes' reports of what is live on them change the picture without an event. */
const REFRESH = 4_000
/** Nodes report their bytes with their heartbeats, every ten seconds or so. */
const METER = 5_000

/** Splits what was read into blocks; gives back what is left. */
const blocks = (text: string, onBlock: (id: string | undefined, data: string | undefined) => void): string => {
  const parts = text.replaceAll("\r\n", "\n").split("\n\n")
  const rest = parts.pop() ?? ""
  for (const part of parts) {
    let id: string | undefined
    let data: string | undefined
    for (const line of part.split("\n")) {
      if (line.startsWith("id:")) id = line.slice(3).trim()
      else if (line.startsWith("data:")) data = (data === undefined ? "" : `${data}\n`) + line.slice(5).trimStart()
    }
    onBlock(id, data)
  }
  return rest
}

/**
 * Reads events until the signal, or the end of the stream. `onBlock` gets each block's id and event.
 */
export const readEvents = async (
  path: string,
  lastId: string | undefined,
  signal: AbortSignal,
  onBlock: (id: string | undefined, record: EventRecord | undefined) => void
): Promise<void> => {
  const silent = new AbortController()
  const both = AbortSignal.any([signal, silent.signal])
  let timer = setTimeout(() => silent.abort(), SILENCE)
  try {
    const response = await send("GET", path, {
      signal: both,
      headers: { accept: "text/event-stream", ...(lastId === undefined ? {} : { "last-event-id": lastId }) }
    })
    if (response.body === null) return
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ""
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(timer)
      timer = setTimeout(() => silent.abort(), SILENCE)
      rest = blocks(rest + value, (id, data) =>
        onBlock(id, data === undefined ? undefined : (JSON.parse(data) as EventRecord))
      )
    }
  } finally {
    clearTimeout(timer)
  }
}

export const sleep = (millis: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, millis)
    signal.addEventListener("abort", () => {
      clearTimeout(timer)
      resolve()
    })
  })

/** Follows the fleet until the signal. */
export const follow = (signal: AbortSignal): void => {
  let lastId: string | undefined
  const opened = Date.now()
  let incoming: Array<EventRecord> = []
  let stale = true
  let counts = new Array<number>(SECONDS).fill(0)
  let second = Math.floor(Date.now() / 1000)

  const turn = () => {
    const now = Math.floor(Date.now() / 1000)
    const passed = Math.min(SECONDS, now - second)
    if (passed > 0) counts = [...counts.slice(passed), ...new Array<number>(passed).fill(0)]
    second = now
    const last = counts.length - 1
    for (const { at } of incoming) {
      // What was there before belongs to its own second; of what comes now, ours is the clock that counts.
      const then = Date.parse(at)
      const i = then < opened ? last - now + Math.floor(then / 1000) : last
      if (i >= 0) counts[i] = (counts[i] ?? 0) + 1
    }
    if (incoming.length > 0) {
      events.set([...incoming.reverse(), ...events.value].slice(0, KEPT_EVENTS))
      incoming = []
    }
    rate.set({ at: now, counts: [...counts] })
  }
  const ticking = setInterval(turn, 500)
  signal.addEventListener("abort", () => clearInterval(ticking))

  const listen = async () => {
    let pause = RETRY_FIRST
    let after: number | undefined
    while (!signal.aborted) {
      try {
        after ??= Math.max(0, (await get<FleetSnapshot>("/state", signal)).cursor - BACKLOG)
        await readEvents(`/events?after=${after}`, lastId, signal, (id, record) => {
          pause = RETRY_FIRST
          connection.set("live")
          if (id !== undefined) lastId = id
          if (record === undefined) return
          incoming.push(record)
          stale = true
        })
      } catch {
        // Told by the connection's state; whether the session is over, by `session`.
      }
      if (signal.aborted || session.value === null) return
      connection.set("lost")
      stale = true
      await sleep(pause, signal)
      pause = Math.min(RETRY_LONGEST, pause * 2)
    }
  }

  const look = async () => {
    let looked = 0
    let took = 0
    while (!signal.aborted && session.value !== null) {
      const began = performance.now()
      if (stale || began - looked > Math.max(REFRESH, 20 * took)) {
        stale = false
        looked = began
        try {
          snapshot.set(await get<FleetSnapshot>("/state", signal))
          took = performance.now() - began
        } catch (error) {
          if (signal.aborted) return
          if (!(error instanceof ApiProblem)) throw error
          stale = true
        }
      }
      await sleep(Math.max(PACE, 5 * (performance.now() - began)), signal)
    }
  }

  const meter = async () => {
    while (!signal.aborted && session.value !== null) {
      try {
        const now = await get<Traffic>("/traffic?top=0", signal)
        const { at, received, sent } = traffic.value
        const add = (list: ReadonlyArray<number>, value: number) => [...list, value].slice(-SECONDS / (METER / 1000))
        traffic.set({
          now,
          at: add(at, Math.floor(Date.now() / 1000)),
          received: add(received, now.receivedPerSecond),
          sent: add(sent, now.sentPerSecond)
        })
      } catch (error) {
        if (!signal.aborted && !(error instanceof ApiProblem)) throw error
      }
      await sleep(METER, signal)
    }
  }

  void listen()
  void look()
  void meter()
}
