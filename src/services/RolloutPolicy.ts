/**
 * How a change of the config comes to the nodes: all at once, at a time of its own for each, or in waves that stop when a
 * node does not live with it; and when changes that interrupt somebody may come.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { type ConfigIssue, makeIssue } from "../mediamtx/ConfigIssue.js"
import { didYouMean } from "../mediamtx/DidYouMean.js"
import { goDurationToDuration } from "../mediamtx/GoDuration.js"
import { type NodeSelector, parseSelector, SELECTOR } from "./NodeLabels.js"

/** Who is in a wave: those that a selector chooses, or as many as make up this share of all nodes, with the waves before. */
export type WavePolicy =
  | { readonly nodes: NodeSelector; readonly percent?: undefined }
  | { readonly percent: number; readonly nodes?: undefined }

/** What a change can interrupt, by what MediaMTX's reload does (see `ReloadImpact`). */
export const disruptions = ["paths", "listeners", "node", "mayEnd"] as const
/**
 * - `paths`: somebody's stream or connection is dropped now
 * - `listeners`: a listener restarts, whoever is on it
 * - `node`: everything restarts
 * - `mayEnd`: the server may end at it
 */
export type Disruption = (typeof disruptions)[number]

const weekdays: ReadonlyArray<unknown> = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

/** A time of day, on some days of the week, by the clock of a zone. */
export interface Window {
  /** Minutes of the day. `to` before or at `from`: until then on the next day. */
  readonly from: number
  readonly to: number
  /** IANA name. */
  readonly zone: string
  /** Days on which it begins, 0 is Sunday. Absent: every day. */
  readonly days: ReadonlySet<number> | undefined
  /** In words. */
  readonly text: string
}

export interface RolloutPolicy {
  /** Over this time the nodes of a wave get it one after the other, each at a time of its own that does not change. */
  readonly splay: Duration.Duration
  /** Whoever is in none of them is in the last wave, which follows. The first are the canaries. */
  readonly waves: ReadonlyArray<WavePolicy>
  /** For so long a wave must have been well before the next one follows. */
  readonly soak: Duration.Duration
  /** A node that has not applied it this long after it was given it counts as failed. */
  readonly deadline: Duration.Duration
  /** How many nodes may fail before it halts. */
  readonly tolerate: number
  /** Changes that interrupt somebody wait for a window. */
  readonly hold: { readonly for: ReadonlySet<Disruption>; readonly window: Window } | undefined
}

/** Every node gets a change with its next poll. */
export const immediate: RolloutPolicy = {
  splay: Duration.zero,
  waves: [],
  soak: Duration.minutes(1),
  deadline: Duration.minutes(5),
  tolerate: 0,
  hold: undefined
}

/** A change by this policy is nothing that would have to be watched over. */
export const isImmediate = ({ hold, splay, waves }: RolloutPolicy): boolean =>
  hold === undefined && waves.length === 0 && Duration.toMillis(splay) === 0

// ---------------------------------------------------------------------------------------------------------------------

const formats = new Map<string, Intl.DateTimeFormat>()
const formatOf = (zone: string): Intl.DateTimeFormat => {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23"
    })
    formats.set(zone, format)
  }
  return format
}

/** Whether the window is open. By the wall clock: a night that has an hour twice has it open twice. */
export const isOpen = (window: Window, millis: number): boolean => {
  const parts = new Map(
    formatOf(window.zone)
      .formatToParts(millis)
      .map(({ type, value }) => [type, value])
  )
  const minute = Number(parts.get("hour")) * 60 + Number(parts.get("minute"))
  const day = weekdays.indexOf(parts.get("weekday")?.toLowerCase())
  const on = (weekday: number) => window.days === undefined || window.days.has((weekday + 7) % 7)
  if (window.from < window.to) return minute >= window.from && minute < window.to && on(day)
  return (minute >= window.from && on(day)) || (minute < window.to && on(day - 1))
}

// ---------------------------------------------------------------------------------------------------------------------

type Issues = Array<ConfigIssue>

const issue = (field: ReadonlyArray<string>, message: string, expected: string, suggestion?: string | undefined) =>
  makeIssue({ severity: "error", rule: "rollout", field, message, expected, suggestion })

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const unknownFields = (value: object, known: ReadonlyArray<string>, at: ReadonlyArray<string>, issues: Issues) => {
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue
    issues.push(issue([...at, name], "is not known here", `one of ${known.join(", ")}`, didYouMean(name, known)))
  }
}

const duration = (value: unknown, at: ReadonlyArray<string>, fallback: Duration.Duration, issues: Issues) => {
  if (value === undefined || value === null) return fallback
  const read = typeof value === "string" ? goDurationToDuration(value) : value === 0 ? Duration.zero : undefined
  if (read !== undefined && Duration.lessThanOrEqualTo(read, Duration.days(7))) return read
  issues.push(issue(at, "is not a duration", "a duration such as 90s, 5m or 2h, at most 7d"))
  return fallback
}

const PERCENT = "a number above 0 and up to 100"

const wave = (value: unknown, at: ReadonlyArray<string>, issues: Issues): WavePolicy | undefined => {
  const expected = `{ percent: 10 } or { nodes: "region=eu" }`
  if (!isObject(value)) {
    issues.push(issue(at, "is not a wave", expected))
    return undefined
  }
  unknownFields(value, ["percent", "nodes"], at, issues)
  const { nodes, percent } = value
  if ((nodes === undefined) === (percent === undefined)) {
    issues.push(issue(at, "has to say either a percentage or which nodes", expected))
    return undefined
  }
  if (percent !== undefined) {
    if (typeof percent === "number" && percent > 0 && percent <= 100) return { percent }
    issues.push(issue([...at, "percent"], "is not a percentage", PERCENT))
    return undefined
  }
  const selector = typeof nodes === "string" ? parseSelector(nodes) : Either.left("is not text")
  if (Either.isRight(selector)) return { nodes: selector.right }
  issues.push(issue([...at, "nodes"], selector.left, SELECTOR))
  return undefined
}

const timeOfDay = (value: unknown): number | undefined => {
  // YAML takes 02:00 without quotes for a text, and some editors' 2:00 for one too.
  const match = typeof value === "string" ? /^(\d{1,2}):(\d{2})$/.exec(value) : null
  const hour = Number(match?.[1] ?? Number.NaN)
  const minute = Number(match?.[2] ?? Number.NaN)
  return hour < 24 && minute < 60 ? hour * 60 + minute : hour === 24 && minute === 0 ? 0 : undefined
}

const isZone = (zone: string): boolean => {
  try {
    return formatOf(zone) !== undefined
  } catch {
    return false
  }
}

const window = (value: unknown, at: ReadonlyArray<string>, issues: Issues): Window | undefined => {
  if (!isObject(value)) {
    issues.push(issue(at, "is missing or not a window", `{ from: "02:00", to: "05:00", zone: Europe/Berlin }`))
    return undefined
  }
  unknownFields(value, ["from", "to", "zone", "days"], at, issues)
  const before = issues.length
  const time = (name: "from" | "to") => {
    const read = timeOfDay(value[name])
    if (read === undefined)
      issues.push(issue([...at, name], "is not a time of day", 'hours and minutes such as "02:00"'))
    return read ?? 0
  }
  const from = time("from")
  const to = time("to")
  const zone = value["zone"] ?? "UTC"
  if (typeof zone !== "string" || !isZone(zone)) {
    issues.push(issue([...at, "zone"], "is not a time zone", "a name such as Europe/Berlin; UTC when absent"))
  }
  const days = value["days"]
  const numbers = new Set<number>()
  if (days !== undefined) {
    for (const day of Array.isArray(days) ? days : [days]) {
      const number = weekdays.indexOf(day)
      if (number === -1) issues.push(issue([...at, "days"], "has what is no day", `some of ${weekdays.join(", ")}`))
      else numbers.add(number)
    }
  }
  if (issues.length > before || typeof zone !== "string") return undefined
  const named = days === undefined ? "" : ` on ${weekdays.filter((_, index) => numbers.has(index)).join(", ")}`
  return {
    from,
    to,
    zone,
    days: days === undefined ? undefined : numbers,
    text: `${String(value["from"])} to ${String(value["to"])} ${zone}${named}`
  }
}

const isDisruption = (value: unknown): value is Disruption => disruptions.some((name) => name === value)

const hold = (value: unknown, at: ReadonlyArray<string>, issues: Issues): RolloutPolicy["hold"] => {
  if (!isObject(value)) {
    issues.push(issue(at, "is not an object", 'window, and "for": what has to wait for it'))
    return undefined
  }
  unknownFields(value, ["for", "window"], at, issues)
  const what = value["for"] ?? disruptions
  const kinds = (Array.isArray(what) ? what : [what]).filter((kind): kind is Disruption => {
    if (isDisruption(kind)) return true
    issues.push(issue([...at, "for"], "has what is no disruption", `some of ${disruptions.join(", ")}`))
    return false
  })
  const read = window(value["window"], [...at, "window"], issues)
  return read === undefined ? undefined : { for: new Set(kinds), window: read }
}

const fields = ["splay", "canary", "waves", "soak", "deadline", "tolerate", "hold"]

/**
 * Reads the `rollout:` section of a `manager.yml`; `at` is where it stands. Absent: `immediate`.
 *
 * @example
 * ```yaml
 * rollout:
 *   canary: { nodes: "role=canary" }
 *   waves: [{ percent: 25 }]
 *   soak: 2m
 *   hold: { window: { from: "02:00", to: "05:00", zone: Europe/Berlin } }
 * ```
 */
export const decode = (
  value: unknown,
  at: ReadonlyArray<string> = ["rollout"]
): Either.Either<RolloutPolicy, ReadonlyArray<ConfigIssue>> => {
  if (value === undefined || value === null) return Either.right(immediate)
  const issues: Issues = []
  if (!isObject(value)) return Either.left([issue(at, "is not an object", `some of ${fields.join(", ")}`)])
  unknownFields(value, fields, at, issues)
  const listed = value["waves"] ?? []
  if (!Array.isArray(listed)) issues.push(issue([...at, "waves"], "is not a list", "a list of waves"))
  const waves = [
    ...(value["canary"] === undefined ? [] : [wave(value["canary"], [...at, "canary"], issues)]),
    ...(Array.isArray(listed) ? listed : []).map((each, index) => wave(each, [...at, "waves", String(index)], issues))
  ].filter((each) => each !== undefined)
  const tolerate = value["tolerate"] ?? 0
  const tolerated = typeof tolerate === "number" && Number.isInteger(tolerate) && tolerate >= 0 ? tolerate : undefined
  if (tolerated === undefined) {
    issues.push(issue([...at, "tolerate"], "is not a number of nodes", "a whole number, 0 or more"))
  }
  const policy: RolloutPolicy = {
    splay: duration(value["splay"], [...at, "splay"], immediate.splay, issues),
    waves,
    soak: duration(value["soak"], [...at, "soak"], immediate.soak, issues),
    deadline: duration(value["deadline"], [...at, "deadline"], immediate.deadline, issues),
    tolerate: tolerated ?? 0,
    hold: value["hold"] === undefined ? undefined : hold(value["hold"], [...at, "hold"], issues)
  }
  return issues.length > 0 ? Either.left(issues) : Either.right(policy)
}
