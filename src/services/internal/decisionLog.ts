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
import type { AuthProtocol, AuthRequestBody } from "../../mediamtx/AuthRequest.js"
import { REDACTED, tokenInQuery } from "../../mediamtx/QueryString.js"
import type { AuthDecision, PlainAuthRequest, RuleReference } from "../AuthPolicy.js"
import type {
  DecisionCredentials,
  DecisionFilter,
  DecisionLogOptions,
  DecisionLogShape,
  DecisionOutcome,
  DecisionPage,
  DecisionProof,
  DecisionRecord
} from "../DecisionLog.js"
import type { NodeId } from "../NodeId.js"

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

/** Tells managers, and the lives of one manager, apart. */
const newOrigin = (): string => {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1))
  return number.toString(36)
}

export const makeDecisionLog = (options: DecisionLogOptions = {}): Effect.Effect<DecisionLogShape> =>
  Effect.gen(function* () {
    const maxAge = Duration.toMillis(options.maxAge ?? DEFAULT_AGE)
    const capacity = Math.max(0, Math.floor(options.maxEntries ?? DEFAULT_ENTRIES))
    const clock = yield* Effect.clock
    const own = newOrigin()

    // Numbers count up for ever; the place of number n is n % capacity.
    const ring: Array<Entry | undefined> = []
    let next = 0
    let oldest = 0
    let dropped = 0
    let version = 0
    const at = (number: number): Entry | undefined => ring[number % capacity]

    /** Entries of the present window by what their calls have in common. Half of the ring at most: all are in it. */
    const open = new Map<string, Entry>()
    const mostOpen = Math.floor(capacity / 2)
    /** Number of the first that can be open. */
    let openFrom = 0
    let windowEnd = 0

    const followers = yield* Effect.makeLatch(false)
    let following = 0

    const remove = (): void => {
      // A repeat of one that is gone is a new one.
      if (oldest >= openFrom) open.clear()
      ring[oldest % capacity] = undefined
      oldest++
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

    /** What is open takes no more. */
    const closeWindow = (now: number): void => {
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

    return {
      unsafeNote,
      page,
      since,
      changed,
      all: (filter = {}) => Effect.sync(() => find(filter).map(recordOf))
    }
  })
