/**
 * Auth decisions between MediaMTX and the manager.
 *
 * MediaMTX asks one question at a time and stands still while it waits: its path manager, its API and its metrics. So each
 * answer has a deadline; and when the manager has just let one pass, the next questions are answered at once by what is to
 * hold while it is away, rather than each after a deadline of its own.
 *
 * Tokens that are signed are a case of their own: the manager has to hear which session came in by which, so that it can end
 * the session with the token. It is asked about each.
 *
 * Only permissions are remembered, for a short time against the manager's load (MediaMTX asks two or three times for one
 * client), and, if so told, for longer for when it is away. A new denial ends both.
 */
import { createHmac, randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import { AuthRequestBody, plainAuthRequestBody } from "../../src/mediamtx/AuthRequest.js"
import { type Decision, Upstream } from "./Upstream.js"

export interface AuthOptions {
  /** How long a permission is good without asking again; zero: not at all. */
  readonly cache: Duration.Duration
  /** How long after the manager's last permission it still holds while the manager is away; zero: everybody is denied. */
  readonly lastDecision: Duration.Duration
  /** The longest that MediaMTX waits. */
  readonly deadline: Duration.Duration
}

export interface Answer {
  readonly status: number
  /** Goes to the node's log. */
  readonly body: string
}

export interface AuthRelay {
  /** `body`: what MediaMTX sent. Never fails, never takes longer than the deadline. */
  readonly answer: (body: string) => Effect.Effect<Answer>
}

/** How long nobody is asked after a question that was not answered in time. */
export const BREAK = Duration.seconds(5)
/** Permissions that are remembered; beyond it the oldest are forgotten. */
const MOST = 10_000

const allowed: Answer = { status: 204, body: "" }
const invalid: Answer = { status: 400, body: "this is not a question of MediaMTX" }

const decodeBody = Schema.decodeUnknownOption(Schema.parseJson(AuthRequestBody))
const parse = (body: string): AuthRequestBody | undefined => {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return undefined
  }
  const plain = plainAuthRequestBody(json)
  if (plain !== undefined) return plain
  const decoded = decodeBody(body)
  return decoded._tag === "Some" ? decoded.value : undefined
}

/** How each JWT begins. */
const hasSignedToken = ({ password, query, token }: AuthRequestBody): boolean =>
  token.startsWith("eyJ") || password.startsWith("eyJ") || query.includes("eyJ")

const answerOf = (decision: Decision): Answer =>
  decision._tag === "Allow" ? allowed : { status: decision.status, body: decision.body }

const millisNow = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

export const make = (options: AuthOptions): Effect.Effect<AuthRelay, never, Upstream | Scope> =>
  Effect.gen(function* () {
    const upstream = yield* Upstream
    const scope = yield* Effect.scope
    const cache = Duration.toMillis(options.cache)
    const lastDecision = Duration.toMillis(options.lastDecision)
    const keep = Math.max(cache, lastDecision)

    /** When the manager last permitted each, by the monotonic clock; the oldest first. */
    const permitted = new Map<string, number>()
    const underWay = new Map<string, Deferred.Deferred<Answer>>()
    let askNobodyUntil = 0
    let away = false

    // Passwords are part of the question: what is remembered must not give them away.
    const secret = randomBytes(32)
    /** All that a decision may be made of, but for the session's id and the user agent, which differ between the questions for one client. */
    const keyOf = ({ action, ip, password, path, protocol, query, token, user }: AuthRequestBody): string =>
      createHmac("sha256", secret)
        .update(JSON.stringify([action, path, protocol, ip, user, password, token, query]))
        .digest("base64")

    const remember = (key: string, now: number): void => {
      permitted.delete(key)
      if (keep > 0) permitted.set(key, now)
      for (const [oldest, at] of permitted) {
        if (permitted.size <= MOST && now - at <= keep) break
        permitted.delete(oldest)
      }
    }

    const whileAway = (key: string, now: number): Answer => {
      const at = permitted.get(key)
      if (at !== undefined && now - at <= lastDecision) return allowed
      return {
        status: 503,
        body: lastDecision === 0 ? "the manager is away" : "the manager is away, and has not permitted this lately"
      }
    }

    const ask = (key: string, body: string): Effect.Effect<Answer> =>
      upstream.decide(body, options.deadline).pipe(
        Effect.matchEffect({
          onSuccess: (decision) =>
            Effect.flatMap(millisNow, (now) => {
              if (decision._tag === "Allow") remember(key, now)
              else permitted.delete(key)
              askNobodyUntil = 0
              const back = away ? Effect.logInfo("the manager answers questions again") : Effect.void
              away = false
              return Effect.as(back, answerOf(decision))
            }),
          onFailure: (error) =>
            Effect.flatMap(millisNow, (now) => {
              if (error.late) askNobodyUntil = now + Duration.toMillis(BREAK)
              const first = !away
              away = true
              return Effect.as(
                first
                  ? Effect.logWarning(
                      `no answer to a question of MediaMTX (${error.message}): ${
                        lastDecision === 0
                          ? "everybody is denied"
                          : `what the manager has permitted within ${Duration.format(options.lastDecision)} holds`
                      } until it is back`
                    )
                  : Effect.void,
                whileAway(key, now)
              )
            })
        })
      )

    return {
      answer: (body) =>
        Effect.flatMap(millisNow, (now) => {
          const question = parse(body)
          if (question === undefined) return Effect.succeed(invalid)
          const key = keyOf(question)
          const at = permitted.get(key)
          const signed = hasSignedToken(question)
          if (!signed && at !== undefined && now - at < cache) return Effect.succeed(allowed)
          const flight = signed ? `${key} ${question.id}` : key
          const other = underWay.get(flight)
          if (other !== undefined) return Deferred.await(other)
          if (now < askNobodyUntil) return Effect.succeed(whileAway(key, now))
          const mine = Deferred.unsafeMake<Answer>(FiberId.none)
          underWay.set(flight, mine)
          // Not in the caller's fiber: others wait for it as well.
          return ask(key, body).pipe(
            Effect.ensuring(Effect.sync(() => underWay.delete(flight))),
            Effect.intoDeferred(mine),
            Effect.forkIn(scope),
            Effect.zipRight(Deferred.await(mine))
          )
        })
    }
  })
