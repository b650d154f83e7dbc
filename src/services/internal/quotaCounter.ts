/**
 * Who reads and who publishes now, counted for quotas as it changes.
 *
 * Deterministic: no clock, no I/O. A decision costs one look-up for each quota, whatever the number of sessions.
 *
 * An entry is one session: promised (allowed, and not seen yet), live (FleetState shows it), or lapsed (allowed, and not seen
 * in time: not counted, but whose it is stays known in case that it is only late).
 *
 * RTSP readers ask twice, with two ids that nothing joins: for DESCRIBE, by the connection, without a user agent, and for
 * SETUP, by the session, with one. So who asks by RTSP without a user agent gets a place that may be handed on: to the next
 * question for the same path from the same person with a user agent, or, once, to the next one without, for players that
 * never say what they are.
 *
 * Invariants
 * - A counter is the sum of the entries that are counted and have it: nothing else changes it.
 * - A session is counted once, however often it asks and however many rows show it.
 * - What is promised beyond what shows up is not counted for longer than `reservation`.
 *
 * @internal
 */

export type Kind = "reader" | "publisher"

/** Whose session it is, as far as this manager was asked; empty for what is not known. */
export interface Owner {
  readonly user: string
  readonly ip: string
}

export interface Session extends Owner {
  readonly kind: Kind
  readonly node: string
  readonly path: string
  readonly id: string
  /** Asked by RTSP, without a user agent. */
  readonly unnamed: boolean
}

/** One quota, as it is counted. */
export interface Rule {
  readonly kind: Kind
  readonly most: number
  readonly perPath: boolean
  readonly perUser: boolean
  readonly perIp: boolean
  readonly takes: (path: string) => boolean
}

interface Entry extends Owner {
  readonly key: string
  readonly kind: Kind
  readonly node: string
  readonly path: string
  /** The counters that it is in; undefined when it is not counted. */
  counted: ReadonlyArray<string> | undefined
  /** How many rows show it. */
  rows: number
  /** When a promise is over, and after that when it is forgotten. */
  until: number
  /** Of a promise that may be handed on: to whom. */
  readonly person: string | undefined
  /** Whether it may be handed on to somebody without a user agent as well. */
  readonly first: boolean
}

export type Verdict =
  | { readonly _tag: "Room" }
  /** The position of the quota that has no room. */
  | { readonly _tag: "Full"; readonly rule: number }
  /** Too much is promised to keep track of more. */
  | { readonly _tag: "TooMany" }

const ROOM: Verdict = { _tag: "Room" }
const TOO_MANY: Verdict = { _tag: "TooMany" }

/** How long it stays known whose a session is that was not seen in time. */
const LATE = 60_000
/** Promises and lapsed promises each: a bound for a storm of people who all may, and don't. */
const MOST_PROMISES = 100_000

export interface QuotaCounter {
  /** Whether there is room for one more; if so, it is promised. */
  readonly ask: (session: Session, now: number) => Verdict
  readonly opened: (kind: Kind, node: string, path: string, id: string) => void
  readonly closed: (kind: Kind, node: string, path: string, id: string) => void
  readonly replace: (rules: ReadonlyArray<Rule>) => void
  /** What the counters hold. */
  readonly counts: () => ReadonlyMap<string, number>
  readonly size: () => number
}

const keyOf = (kind: Kind, node: string, path: string, id: string): string => `${kind}\0${node}\0${path}\0${id}`
const placeOf = (node: string, path: string): string => `${node}\0${path}`

export const make = (first: ReadonlyArray<Rule>, reservation: number): QuotaCounter => {
  let rules = first
  const entries = new Map<string, Entry>()
  const counters = new Map<string, number>()
  /** In the order in which they end, as all last equally long. */
  const promised = new Map<string, Entry>()
  const lapsed = new Map<string, Entry>()
  /** Promises that may be handed on, by who asked for what. */
  const handedOn = new Map<string, Array<Entry>>()
  /** Publishers by path of a node: it has one at a time, so who comes next takes its place. */
  const publishers = new Map<string, Set<Entry>>()

  const counterOf = (rule: Rule, index: number, path: string, { ip, user }: Owner): string | undefined => {
    if ((rule.perUser && user === "") || (rule.perIp && ip === "") || !rule.takes(path)) return undefined
    let key = `${index}`
    if (rule.perPath) key += `\0p${path}`
    if (rule.perUser) key += `\0u${user}`
    return rule.perIp ? `${key}\0i${ip}` : key
  }
  const countersOf = (kind: Kind, path: string, owner: Owner): ReadonlyArray<string> =>
    rules.flatMap((rule, index) => (rule.kind === kind ? (counterOf(rule, index, path, owner) ?? []) : []))

  const add = (counter: string, more: 1 | -1): void => {
    const count = (counters.get(counter) ?? 0) + more
    if (count === 0) counters.delete(counter)
    else counters.set(counter, count)
  }
  const uncount = (entry: Entry): void => {
    if (entry.counted === undefined) return
    for (const counter of entry.counted) add(counter, -1)
    entry.counted = undefined
    if (entry.kind === "publisher") {
      const place = placeOf(entry.node, entry.path)
      const there = publishers.get(place)
      if (there?.delete(entry) === true && there.size === 0) publishers.delete(place)
    }
  }
  const count = (entry: Entry): void => {
    uncount(entry)
    entry.counted = countersOf(entry.kind, entry.path, entry)
    for (const counter of entry.counted) add(counter, 1)
    if (entry.kind === "publisher") {
      const place = placeOf(entry.node, entry.path)
      const there = publishers.get(place)
      if (there === undefined) publishers.set(place, new Set([entry]))
      else there.add(entry)
    }
  }

  const notHandedOn = (entry: Entry): void => {
    if (entry.person === undefined) return
    const same = handedOn.get(entry.person)
    const index = same?.indexOf(entry) ?? -1
    if (same === undefined || index === -1) return
    same.splice(index, 1)
    if (same.length === 0) handedOn.delete(entry.person)
  }
  const forget = (entry: Entry): void => {
    uncount(entry)
    notHandedOn(entry)
    promised.delete(entry.key)
    lapsed.delete(entry.key)
    entries.delete(entry.key)
  }

  const settle = (now: number): void => {
    // A clock that was set back must not hold promises for longer.
    const over = (until: number, longest: number) => until <= now || until > now + longest
    for (const entry of promised.values()) {
      if (!over(entry.until, reservation)) break
      uncount(entry)
      notHandedOn(entry)
      promised.delete(entry.key)
      entry.until = Math.min(entry.until, now) + LATE
      lapsed.set(entry.key, entry)
    }
    for (const entry of lapsed.values()) {
      if (!over(entry.until, LATE) && lapsed.size <= MOST_PROMISES) break
      forget(entry)
    }
  }

  const promise = (entry: Entry, now: number): void => {
    entry.until = now + reservation
    promised.delete(entry.key)
    promised.set(entry.key, entry)
  }

  const ask = (session: Session, now: number): Verdict => {
    settle(now)
    const { id, ip, kind, node, path, unnamed, user } = session
    const key = keyOf(kind, node, path, id)
    const known = entries.get(key)
    if (known !== undefined && known.counted !== undefined) {
      if (known.rows === 0) promise(known, now)
      return ROOM
    }
    const person = kind === "reader" ? `${placeOf(node, path)}\0${ip}\0${user}` : undefined
    const mine = person === undefined ? undefined : handedOn.get(person)
    const own = unnamed ? mine?.find(({ first }) => first) : mine?.[0]
    const replaced = kind === "publisher" ? publishers.get(placeOf(node, path)) : undefined
    for (const [index, rule] of rules.entries()) {
      if (rule.kind !== kind) continue
      const counter = counterOf(rule, index, path, session)
      if (counter === undefined) continue
      let others = counters.get(counter) ?? 0
      if (own?.counted?.includes(counter) === true) others--
      for (const entry of replaced ?? []) if (entry.counted?.includes(counter) === true) others--
      if (others >= rule.most) return { _tag: "Full", rule: index }
    }
    if (own !== undefined) forget(own)
    if (promised.size >= MOST_PROMISES) return TOO_MANY
    if (known !== undefined) forget(known)
    const entry: Entry = {
      key,
      kind,
      node,
      path,
      user,
      ip,
      counted: undefined,
      rows: 0,
      until: 0,
      person: unnamed ? person : undefined,
      first: own === undefined
    }
    entries.set(key, entry)
    if (entry.person !== undefined) {
      const same = handedOn.get(entry.person)
      if (same === undefined) handedOn.set(entry.person, [entry])
      else same.push(entry)
    }
    promise(entry, now)
    count(entry)
    return ROOM
  }

  return {
    ask,
    opened: (kind, node, path, id) => {
      // Static sources have none, and are nobody's.
      if (id === "") return
      const key = keyOf(kind, node, path, id)
      let entry = entries.get(key)
      if (entry === undefined) {
        entry = {
          key,
          kind,
          node,
          path,
          user: "",
          ip: "",
          counted: undefined,
          rows: 0,
          until: 0,
          person: undefined,
          first: false
        }
        entries.set(key, entry)
      }
      entry.rows++
      if (entry.rows > 1) return
      promised.delete(key)
      lapsed.delete(key)
      notHandedOn(entry)
      count(entry)
    },
    closed: (kind, node, path, id) => {
      const entry = id === "" ? undefined : entries.get(keyOf(kind, node, path, id))
      if (entry === undefined || entry.rows === 0) return
      entry.rows--
      if (entry.rows === 0) forget(entry)
    },
    replace: (next) => {
      const counted = [...entries.values()].filter((entry) => entry.counted !== undefined)
      for (const entry of counted) uncount(entry)
      rules = next
      for (const entry of counted) count(entry)
    },
    counts: () => counters,
    size: () => entries.size
  }
}
