/**
 * The decisions in a ring, with those of the last minute by what they have in common, so that a repeat is a count.
 *
 * Noting one is an addition to what a node waits for: it looks up one text and makes one small object, of the same fields in
 * the same order each time, or none.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AuthProtocol, AuthRequestBody } from "../../mediamtx/AuthRequest.js"
import { REDACTED, tokenInQuery } from "../../mediamtx/QueryString.js"
import type { AuthDecision, PlainAuthRequest, RuleReference } from "../AuthPolicy.js"
import type {
  DecisionChunk,
  DecisionCredentials,
  DecisionFilter,
  DecisionLogError,
  DecisionLogOptions,
  DecisionLogShape,
  DecisionOutcome,
  DecisionPage,
  DecisionProof,
  DecisionRecord,
  DecisionStore,
  StoredDecision
} from "../DecisionLog.js"
import type { NodeId } from "../NodeId.js"
import { makeWriteBehind } from "./writeBehind.js"

/** Repeats within this time of the first are counted. */
const WINDOW = Duration.toMillis(Duration.minutes(1))
const DEFAULT_AGE = Duration.hours(1)
const DEFAULT_ENTRIES = 20_000
const DEFAULT_LIMIT = 100
/** How far the clocks of managers, and what they tell each other, may be apart. */
const OVERLAP = 5_000

class Entry {
  count: number
  last: number
  /** Number of the last change of the log that was one of this entry. */
  version: number
  /** The count that is in the store. */
  written: number
  constructor(
    readonly origin: string,
    readonly seq: number,
    readonly at: number,
    readonly node: NodeId,
    readonly action: AuthRequestBody["action"],
    readonly path: string,
    readonly protocol: AuthProtocol,
    readonly ip: string,
    readonly user: string,
    readonly credentials: DecisionCredentials,
    public session: string | null,
    readonly userAgent: string,
    readonly outcome: DecisionOutcome,
    readonly prompt: boolean,
    readonly reason: string,
    readonly decidedBy: DecisionRecord["decidedBy"],
    readonly rule: RuleReference | null,
    readonly proof: DecisionProof,
    readonly provenUser: string | null,
    version: number
  ) {
    this.count = 1
    this.last = at
    this.version = version
    this.written = 0
  }
}

const recordOf = (entry: Entry): DecisionRecord => ({
  id: `${entry.origin}-${entry.seq}`,
  at: entry.at,
  last: entry.last,
  count: entry.count,
  node: entry.node,
  action: entry.action,
  path: entry.path,
  protocol: entry.protocol,
  ip: entry.ip,
  user: entry.user,
  credentials: entry.credentials,
  session: entry.session,
  userAgent: entry.userAgent,
  outcome: entry.outcome,
  prompt: entry.prompt,
  reason: entry.reason,
  decidedBy: entry.decidedBy,
  rule: entry.rule,
  proof: entry.proof,
  provenUser: entry.provenUser
})

const storedOf = (entry: Entry): StoredDecision => {
  const { id: _, ...record } = recordOf(entry)
  return { ...record, origin: entry.origin, seq: entry.seq }
}

// ---------------------------------------------------------------------------------------------------------------------
// What is taken of a request

/** Texts of strangers are not endless. A slice would keep the whole text alive: this is a copy. */
const clip = (text: string, length: number): string =>
  text.length <= length ? text : `${Array.from(text.slice(0, length)).join("")}…`

/** As `AuthRules` looks at them. */
const credentialsOf = ({ password, query, token, user }: PlainAuthRequest): DecisionCredentials => {
  if (user !== "" && (password !== "" || token === "")) return "password"
  if (token !== "" || password !== "") return "token"
  return tokenInQuery(query) === "" ? "none" : "query"
}

/** Some put their password or token where the name belongs: a name is shown where it is known to be one. */
const shownUser = ({ password, token, user }: PlainAuthRequest, { proof }: AuthDecision): string => {
  if (user === "" || (proof !== undefined && proof.user === user)) return user
  if (password === "" || user.includes(password)) return REDACTED
  return token !== "" && user.includes(token) ? REDACTED : user
}

// ---------------------------------------------------------------------------------------------------------------------
// What is looked for

const isWanted =
  (filter: DecisionFilter) =>
  (entry: Entry): boolean => {
    const { action, ip, node, outcome, path, prompt, protocol, rule, since, until, user } = filter
    return (
      (since === undefined || entry.last >= since) &&
      (until === undefined || entry.at < until) &&
      (outcome === undefined || entry.outcome === outcome) &&
      (prompt === undefined || entry.prompt === prompt) &&
      (node === undefined || entry.node === node) &&
      (action === undefined || entry.action === action) &&
      (protocol === undefined || entry.protocol === protocol) &&
      (user === undefined || entry.user === user || entry.provenUser === user) &&
      (rule === undefined || entry.rule?.name === rule || entry.rule?.place === rule) &&
      (path === undefined || path(entry.path)) &&
      (ip === undefined || ip(entry.ip))
    )
  }

interface Position {
  readonly at: number
  readonly origin: string
  readonly seq: number
}

/** The order of pages, which is the same on all managers. */
const compare = (a: Position, b: Position): number =>
  a.at - b.at || (a.origin === b.origin ? a.seq - b.seq : a.origin < b.origin ? -1 : 1)

const cursorOf = ({ at, origin, seq }: Position): string => `${at}-${origin}-${seq}`
const readCursor = (text: string): Position | undefined => {
  const found = /^(\d{1,15})-([a-z0-9]{1,16})-(\d{1,15})$/.exec(text)
  return found === null ? undefined : { at: Number(found[1]), origin: found[2] ?? "", seq: Number(found[3]) }
}

interface Follow {
  readonly origin: string
  readonly version: number
  readonly at: number
}
const readFollow = (text: string): Follow | undefined => {
  const found = /^([a-z0-9]{1,16})\.(\d{1,15})\.(\d{1,15})$/.exec(text)
  return found === null ? undefined : { origin: found[1] ?? "", version: Number(found[2]), at: Number(found[3]) }
}

// ---------------------------------------------------------------------------------------------------------------------

/** Tells the managers of one database, and the lives of one manager, apart. */
const newOrigin = (): string => {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1))
  return number.toString(36)
}

/** A removed chunk of another manager's: when nobody can want it. */
const CHUNK_GRACE = WINDOW

export const makeDecisionLog = (
  options: DecisionLogOptions & { readonly store?: DecisionStore | undefined } = {}
): Effect.Effect<DecisionLogShape, DecisionLogError, Scope.Scope> =>
  Effect.gen(function* () {
    const maxAge = Duration.toMillis(options.maxAge ?? DEFAULT_AGE)
    const capacity = Math.max(0, Math.floor(options.maxEntries ?? DEFAULT_ENTRIES))
    const { store } = options
    const clock = yield* Effect.clock
    const own = newOrigin()

    // Numbers count up for ever; the place of number n is n % capacity.
    const ring: Array<Entry | undefined> = []
    let next = 0
    let oldest = 0
    let dropped = 0
    let version = 0
    const at = (number: number): Entry | undefined => ring[number % capacity]

    /** Own entries of the present window by what their calls have in common. Half of the ring at most: all are in it. */
    const open = new Map<string, Entry>()
    const mostOpen = Math.floor(capacity / 2)
    /** Number of the first that can be open. */
    let openFrom = 0
    let windowEnd = 0
    /** Those of other managers and of former lives, by origin and number: they may be told of once more. */
    const others = new Map<string, Map<number, Entry>>()

    const followers = yield* Effect.makeLatch(false)
    let following = 0

    let changedSlot: ((slot: number) => void) | undefined

    const remove = (): void => {
      const entry = at(oldest)
      ring[oldest % capacity] = undefined
      oldest++
      if (entry === undefined) return
      if (entry.origin === own) {
        // Others' may have pushed it out while it was open.
        if (entry.seq >= openFrom) open.clear()
        return
      }
      const of = others.get(entry.origin)
      of?.delete(entry.seq)
      if (of?.size === 0) others.delete(entry.origin)
    }
    const expire = (now: number): void => {
      const limit = now - maxAge
      while (oldest < next) {
        const entry = at(oldest)
        if (entry !== undefined && entry.last >= limit) return
        remove()
      }
    }
    const push = (entry: Entry, now: number): void => {
      expire(now)
      if (next - oldest >= capacity) {
        remove()
        dropped++
      }
      ring[next % capacity] = entry
      next++
    }

    /** What is open is told to the store with its count by now, and takes no more. */
    const closeWindow = (now: number): void => {
      if (changedSlot !== undefined) {
        for (const entry of open.values()) if (entry.count !== entry.written) changedSlot(entry.seq % capacity)
      }
      open.clear()
      openFrom = next
      windowEnd = now + WINDOW
    }

    const wake = (): void => {
      if (following > 0) followers.unsafeOpen()
    }

    const unsafeNote: DecisionLogShape["unsafeNote"] = (node, request, decision, outcome) => {
      if (capacity === 0) return
      const now = clock.unsafeCurrentTimeMillis()
      if (now >= windowEnd || now < windowEnd - WINDOW || open.size >= mostOpen) closeWindow(now)
      const { action, ip, protocol } = request
      const credentials = credentialsOf(request)
      const proof = decision.proof?.kind ?? "unchecked"
      const user = clip(shownUser(request, decision), 128)
      const path = clip(request.path, 512)
      const reason = clip(decision.reason, 1000)
      // A user name may have any character, but can't take over from what stands before it.
      const key = `${node} ${action} ${protocol} ${outcome} ${credentials} ${proof} ${ip}\n${path}\n${user}\n${reason}`
      const known = open.get(key)
      if (known !== undefined && known.path === path && known.user === user) {
        known.count++
        known.last = now
        known.session = request.id === null ? null : clip(request.id, 200)
        known.version = ++version
      } else {
        const entry = new Entry(
          own,
          next,
          now,
          node,
          // Nodes don't ask for our own two.
          action as AuthRequestBody["action"],
          path,
          protocol,
          clip(ip, 64),
          user,
          credentials,
          request.id === null ? null : clip(request.id, 200),
          clip(request.userAgent, 200),
          outcome,
          outcome === "ask" && (credentials === "none" || credentials === "query"),
          reason,
          decision.proof === undefined ? "other" : "rules",
          decision.rule ?? null,
          proof,
          decision.proof?.user ?? null,
          ++version
        )
        open.set(key, entry)
        push(entry, now)
        if (changedSlot !== undefined) changedSlot(entry.seq % capacity)
      }
      wake()
    }

    // -----------------------------------------------------------------------------------------------------------------

    /** In the order of pages. */
    const find = (filter: DecisionFilter): Array<Entry> => {
      expire(clock.unsafeCurrentTimeMillis())
      const wanted = isWanted(filter)
      const found: Array<Entry> = []
      let inOrder = true
      let before: Entry | undefined
      for (let number = oldest; number < next; number++) {
        const entry = at(number)
        if (entry === undefined || !wanted(entry)) continue
        if (before !== undefined && compare(before, entry) > 0) inOrder = false
        found.push(entry)
        before = entry
      }
      return inOrder ? found : found.sort(compare)
    }
    const followOf = (upTo: number, now: number): string => `${own}.${upTo}.${now}`
    const pageOf = (
      matched: ReadonlyArray<Entry>,
      shown: ReadonlyArray<Entry>,
      next: string | null,
      follow: string
    ): DecisionPage => {
      const counts = { allow: 0, ask: 0, deny: 0, prompt: 0 }
      for (const { count, outcome, prompt } of matched) counts[prompt ? "prompt" : outcome] += count
      return {
        decisions: shown.map(recordOf),
        next,
        follow,
        matched: counts,
        oldest: at(oldest)?.at ?? null,
        dropped
      }
    }

    const page: DecisionLogShape["page"] = (filter = {}, { cursor, limit = DEFAULT_LIMIT } = {}) =>
      Effect.sync(() => {
        const found = find(filter)
        const from = cursor === undefined ? undefined : readCursor(cursor)
        const shown: Array<Entry> = []
        let more: Entry | undefined
        for (let i = found.length - 1; i >= 0; i--) {
          const entry = found[i]
          if (entry === undefined || (from !== undefined && compare(entry, from) >= 0)) continue
          if (shown.length >= limit) {
            more = shown[shown.length - 1]
            break
          }
          shown.push(entry)
        }
        const follow = followOf(version, clock.unsafeCurrentTimeMillis())
        return pageOf(found, shown, more === undefined ? null : cursorOf(more), follow)
      })

    const since: DecisionLogShape["since"] = (follow, filter = {}, limit = DEFAULT_LIMIT) =>
      Effect.sync(() => {
        const now = clock.unsafeCurrentTimeMillis()
        const from = readFollow(follow)
        if (from === undefined) return pageOf([], [], null, followOf(version, now))
        const isNew =
          from.origin === own
            ? (entry: Entry) => entry.version > from.version
            : // Of another manager, or of a former life: by time, rather twice than not at all.
              (entry: Entry) => entry.last >= from.at - OVERLAP
        const found = find(filter)
          .filter(isNew)
          .sort((a, b) => a.version - b.version)
        const shown = found.slice(0, limit)
        const end = shown.length < found.length ? shown[shown.length - 1] : undefined
        return pageOf(found, shown, null, end === undefined ? followOf(version, now) : followOf(end.version, end.last))
      })

    const changed: DecisionLogShape["changed"] = (follow) =>
      Effect.suspend(() => {
        const from = readFollow(follow)
        if (from !== undefined && (from.origin !== own || from.version < version)) return Effect.void
        following++
        followers.unsafeClose()
        return Effect.ensuring(
          followers.await,
          Effect.sync(() => {
            following--
          })
        )
      })

    // -----------------------------------------------------------------------------------------------------------------

    /** What is known of chunks in the store: the number of the newest own entry in it (none: another manager's), and its time. */
    const chunks = new Map<string, { readonly newest: number | undefined; readonly lastAt: number }>()

    /** Takes over what others noted. */
    const hear = (heard: ReadonlyArray<DecisionChunk>): void => {
      const now = clock.unsafeCurrentTimeMillis()
      const limit = now - maxAge
      const fresh: Array<StoredDecision> = []
      for (const { decisions, id, lastAt } of heard) {
        if (chunks.has(id)) continue
        chunks.set(id, { newest: undefined, lastAt })
        for (const decision of decisions) {
          if (decision.origin === own || decision.last < limit) continue
          const known = others.get(decision.origin)?.get(decision.seq)
          if (known === undefined) fresh.push(decision)
          else if (decision.count > known.count) repeat(known, decision)
        }
      }
      for (const decision of fresh.sort(compare)) {
        const of = others.get(decision.origin) ?? new Map<number, Entry>()
        const known = of.get(decision.seq)
        if (known !== undefined) {
          if (decision.count > known.count) repeat(known, decision)
          continue
        }
        const entry = entryOf(decision)
        of.set(decision.seq, entry)
        others.set(decision.origin, of)
        push(entry, now)
      }
      if (heard.length > 0) wake()
    }
    const repeat = (entry: Entry, decision: StoredDecision): void => {
      entry.count = decision.count
      entry.last = decision.last
      entry.session = decision.session
      entry.version = ++version
    }
    const entryOf = (decision: StoredDecision): Entry => {
      const entry = new Entry(
        decision.origin,
        decision.seq,
        decision.at,
        decision.node,
        decision.action,
        decision.path,
        decision.protocol,
        decision.ip,
        decision.user,
        decision.credentials,
        decision.session,
        decision.userAgent,
        decision.outcome,
        decision.prompt,
        decision.reason,
        decision.decidedBy,
        decision.rule,
        decision.proof,
        decision.provenUser,
        ++version
      )
      entry.count = decision.count
      entry.last = decision.last
      return entry
    }

    if (store !== undefined && capacity > 0) {
      hear(yield* store.load)
      let written = 0
      const writer = yield* makeWriteBehind<number, DecisionLogError>({
        every: options.writeBehind ?? "1 second",
        what: "the log of auth decisions",
        write: (slots) =>
          Effect.suspend(() => {
            const now = clock.unsafeCurrentTimeMillis()
            const entries = slots.flatMap((slot) => {
              const entry = ring[slot]
              return entry === undefined || entry.origin !== own ? [] : [entry]
            })
            const gone = [...chunks].flatMap(([id, { lastAt, newest }]) =>
              (newest !== undefined && newest < oldest) || lastAt < now - maxAge - CHUNK_GRACE ? [id] : []
            )
            if (entries.length === 0) return Effect.void
            const chunk: DecisionChunk = {
              id: `${own}-${written++}`,
              lastAt: entries.reduce((last, entry) => Math.max(last, entry.last), 0),
              decisions: entries.map(storedOf)
            }
            const counts = entries.map(({ count }) => count)
            return Effect.map(store.write(chunk, gone), () => {
              for (const [i, entry] of entries.entries()) entry.written = counts[i] ?? 0
              for (const id of gone) chunks.delete(id)
              chunks.set(chunk.id, {
                newest: entries.reduce((newest, entry) => Math.max(newest, entry.seq), 0),
                lastAt: chunk.lastAt
              })
            })
          })
      })
      changedSlot = writer.changed
      // Runs before the writer's own, which writes what is left.
      yield* Effect.addFinalizer(() => Effect.sync(() => closeWindow(clock.unsafeCurrentTimeMillis())))
      if (store.shared !== undefined) {
        const { changes, news } = store.shared
        yield* Effect.forkScoped(
          Stream.runForEach(changes, () =>
            news.pipe(
              Effect.map(hear),
              Effect.catchAll((error) =>
                Effect.logWarning("What other managers decided could not be read, will try again", error)
              )
            )
          )
        )
      }
    }

    return {
      unsafeNote,
      page,
      since,
      changed,
      all: (filter = {}) => Effect.sync(() => find(filter).map(recordOf))
    }
  })
