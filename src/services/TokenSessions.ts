/**
 * TokenSessions: which sessions came in by which of our tokens, and which tokens were taken back.
 *
 * A token is looked at when a session begins. So that a session does not outlive its token, it is remembered which session
 * used which: from auth calls (nodes with `authMethod: http`), and from hooks whose query held the token (all nodes). What a
 * node decides by itself (`authMethod: jwt`) with a token that came in a header is not seen here.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { parseQuery } from "../mediamtx/QueryString.js"
import { AuthDecision, type AuthPolicyShape, type PlainAuthRequest, toPlain } from "./AuthPolicy.js"
import { makeWriteBehind } from "./internal/writeBehind.js"
import type { NodeId } from "./NodeId.js"
import { Timestamp } from "./Timestamp.js"

/** Id of a token that a JwtIssuer of ours has signed (`jti`). */
export const TokenId = Schema.String.pipe(Schema.pattern(/^mtx-[A-Za-z0-9_-]{16}$/)).annotations({
  identifier: "TokenId",
  description: "`id` of an issued token: mtx- and 16 characters"
})
export type TokenId = typeof TokenId.Type

/** A new id: unguessable, so that nobody can name another's token. */
export const newTokenId = (): TokenId => `mtx-${Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(12)))}`

/** A token that counts no more. */
export const Revocation = Schema.Struct({
  id: TokenId,
  revokedAt: Timestamp,
  /** Until when it is remembered: the token must have expired by then. */
  until: Timestamp
}).annotations({ identifier: "Revocation" })
export type Revocation = typeof Revocation.Type

/**
 * - `Full`: more tokens are revoked than are remembered.
 * - `Storage`: the revocation could not be written down, and does not hold.
 */
export class TokenSessionsError extends Schema.TaggedError<TokenSessionsError>()("TokenSessionsError", {
  reason: Schema.Literal("Full", "Storage"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/** A session, and the token that let it in. Times in epoch milliseconds. */
export interface TokenSession {
  readonly session: string
  readonly node: NodeId
  readonly token: TokenId
  /** When the token expires; null when it says nothing of that. */
  readonly expiresAt: number | null
  readonly seenAt: number
}

export interface TokenSessionsShape {
  /**
   * Takes a token back. Durable when it returns; done once more it is the same. Sessions are not ended by this: see `due`.
   */
  readonly revoke: (id: TokenId, until: number) => Effect.Effect<Revocation, TokenSessionsError>
  readonly revoked: Effect.Effect<ReadonlyArray<Revocation>>
  /** At once and from memory: each auth call with a token asks. */
  readonly unsafeIsRevoked: (id: TokenId) => boolean
  /** Remembers which token let a session in. */
  readonly unsafeNote: (node: NodeId, session: string, token: Claims) => void
  /** Sessions whose token has expired or was taken back, and was so for less than two minutes: they are to end. */
  readonly due: Effect.Effect<ReadonlyArray<TokenSession>>
  /** Waits while there is no session that could become due. */
  readonly awaitAny: Effect.Effect<void>
}

export class TokenSessions extends Context.Tag("mtx-manager/TokenSessions")<TokenSessions, TokenSessionsShape>() {}

// ---------------------------------------------------------------------------------------------------------------------

/** What is read of a token of ours. Nothing is verified by this. */
export interface Claims {
  readonly id: TokenId
  /** Epoch milliseconds. */
  readonly expiresAt: number | null
}

const Payload = Schema.parseJson(Schema.Struct({ jti: TokenId, exp: Schema.optional(Schema.Number) }))
const decodePayload = Schema.decodeUnknownOption(Payload)

const LONGEST = 4096
/** `{"` in base64url: how each JWT begins. */
const BEGIN = "eyJ"

/** The claims of a token of ours; undefined for anything else. Others' tokens are theirs to look after. */
export const claimsOf = (token: string): Claims | undefined => {
  if (!token.startsWith(BEGIN) || token.length > LONGEST) return undefined
  const payload = token.split(".")[1]
  if (payload === undefined) return undefined
  const json = Encoding.decodeBase64UrlString(payload)
  if (json._tag === "Left") return undefined
  const claims = decodePayload(json.right)
  if (Option.isNone(claims)) return undefined
  const { exp, jti } = claims.value
  return { id: jti, expiresAt: exp === undefined || !Number.isFinite(exp) ? null : Math.round(exp * 1000) }
}

/** The token of ours in the query of a client's URL. */
export const claimsInQuery = (query: string): Claims | undefined => {
  if (!query.includes(BEGIN)) return undefined
  const { jwt, token } = parseQuery(query)
  return claimsOf(token ?? "") ?? claimsOf(jwt ?? "")
}

/** The token of ours in an auth request, wherever a client can put one. */
const claimsIn = (request: PlainAuthRequest): Claims | undefined =>
  claimsOf(request.token) ?? claimsOf(request.password) ?? claimsInQuery(request.query)

const isEffect = (decision: AuthDecision | Effect.Effect<AuthDecision>): decision is Effect.Effect<AuthDecision> =>
  Effect.isEffect(decision)

/** Denies who comes with a token that was taken back, and remembers whom the policy lets in with one. */
export const guard = (policy: AuthPolicyShape, tokens: TokenSessionsShape): AuthPolicyShape => {
  const denied = (claims: Claims | undefined): AuthDecision | undefined =>
    claims !== undefined && tokens.unsafeIsRevoked(claims.id)
      ? AuthDecision.Deny({ reason: `the token ${claims.id} was revoked` })
      : undefined
  const note = (request: Pick<PlainAuthRequest, "id" | "node">, claims: Claims, decision: AuthDecision): void => {
    if (decision._tag === "Allow" && request.id !== null && request.node !== undefined) {
      tokens.unsafeNote(request.node, request.id, claims)
    }
  }
  const { rules, unsafeDecide } = policy
  return {
    rules,
    decide: (request) => {
      const claims = claimsIn(toPlain(request))
      if (claims === undefined) return policy.decide(request)
      const no = denied(claims)
      if (no !== undefined) return Effect.succeed(no)
      return Effect.tap(policy.decide(request), (decision) => Effect.sync(() => note(request, claims, decision)))
    },
    unsafeDecide:
      unsafeDecide === undefined
        ? undefined
        : (request) => {
            const claims = claimsIn(request)
            if (claims === undefined) return unsafeDecide(request)
            const no = denied(claims)
            if (no !== undefined) return no
            const decision = unsafeDecide(request)
            if (isEffect(decision)) {
              return Effect.tap(decision, (made) => Effect.sync(() => note(request, claims, made)))
            }
            note(request, claims, decision)
            return decision
          }
  }
}

// ---------------------------------------------------------------------------------------------------------------------

export interface TokenSessionStore {
  readonly load: Effect.Effect<
    { readonly revoked: ReadonlyArray<Revocation>; readonly sessions: ReadonlyArray<TokenSession> },
    TokenSessionsError
  >
  /** All or nothing; durable when it returns. */
  readonly writeRevoked: (
    upsert: ReadonlyArray<Revocation>,
    remove: ReadonlyArray<TokenId>
  ) => Effect.Effect<void, TokenSessionsError>
  readonly writeSessions: (
    upsert: ReadonlyArray<TokenSession>,
    remove: ReadonlyArray<string>
  ) => Effect.Effect<void, TokenSessionsError>
  /** With several managers: a token that one took back counts for none. */
  readonly shared?:
    | {
        /** What was written, by anybody, since this was last asked. */
        readonly news: TokenSessionStore["load"]
        /** Emits when there may be news, in bounded time. */
        readonly changes: Stream.Stream<void>
      }
    | undefined
}

export interface TokenSessionsOptions {
  /** How many sessions are remembered (default 50,000); beyond it, the oldest are not ended with their token. */
  readonly maxSessions?: number | undefined
  /** How many revoked tokens are remembered (default 100,000). */
  readonly maxRevoked?: number | undefined
  /** How long after a session began a store is written (default 1 second). */
  readonly writeBehind?: Duration.DurationInput | undefined
}

/** A session may be heard of a little after its auth call: for so long it is looked for. */
const LINGER = Duration.toMillis(Duration.minutes(2))
const MAX_SESSION_ID = 200

/** In memory; with a `store`, durable. */
export const make = (
  options: TokenSessionsOptions & { readonly store?: TokenSessionStore | undefined } = {}
): Effect.Effect<TokenSessionsShape, TokenSessionsError, Scope.Scope> =>
  Effect.gen(function* () {
    const maxSessions = options.maxSessions ?? 50_000
    const maxRevoked = options.maxRevoked ?? 100_000
    const clock = yield* Effect.clock
    const { store } = options
    const lock = yield* Effect.makeSemaphore(1)
    const revoked = new Map<TokenId, Revocation>()
    /** The one noted first in front. */
    const sessions = new Map<string, TokenSession>()
    const any = yield* Effect.makeLatch(false)

    if (store !== undefined) {
      const stored = yield* store.load
      for (const each of stored.revoked) revoked.set(each.id, each)
      for (const each of [...stored.sessions].sort((a, b) => a.seenAt - b.seenAt)) sessions.set(each.session, each)
      if (sessions.size > 0) any.unsafeOpen()
    }
    const writer =
      store === undefined
        ? undefined
        : yield* makeWriteBehind<string, TokenSessionsError>({
            every: options.writeBehind ?? "1 second",
            what: "the sessions of tokens",
            write: (ids) =>
              store.writeSessions(
                ids.flatMap((id) => sessions.get(id) ?? []),
                ids.filter((id) => !sessions.has(id))
              )
          })
    if (store?.shared !== undefined) {
      const { changes, news } = store.shared
      const hear = Effect.map(news, (heard) => {
        for (const each of heard.revoked) {
          const known = revoked.get(each.id)
          if (known === undefined || known.until < each.until) revoked.set(each.id, each)
        }
        for (const each of heard.sessions) {
          if (sessions.size < maxSessions && !sessions.has(each.session)) sessions.set(each.session, each)
        }
        if (sessions.size > 0) any.unsafeOpen()
      }).pipe(
        Effect.catchAll((error) =>
          Effect.logWarning("What other managers know of tokens could not be read, will try again", error)
        )
      )
      yield* Effect.forkScoped(Stream.runForEach(changes, () => hear))
    }
    const drop = (session: string): void => {
      if (sessions.delete(session)) writer?.changed(session)
    }

    return TokenSessions.of({
      revoke: (id, until) =>
        Effect.gen(function* () {
          const known = revoked.get(id)
          if (known !== undefined && known.until >= until) return known
          const now = clock.unsafeCurrentTimeMillis()
          const over = [...revoked.values()].filter((each) => each.until <= now)
          if (known === undefined && revoked.size - over.length >= maxRevoked) {
            return yield* new TokenSessionsError({
              reason: "Full",
              message: `${revoked.size} tokens are revoked, and no more are remembered: issue tokens with a shorter lifetime, or rotate the keys`
            })
          }
          const made: Revocation = { id, revokedAt: known?.revokedAt ?? now, until }
          if (store !== undefined) {
            yield* store.writeRevoked(
              [made],
              over.map((each) => each.id)
            )
          }
          for (const each of over) revoked.delete(each.id)
          revoked.set(id, made)
          return made
        }).pipe(lock.withPermits(1), Effect.uninterruptible),
      revoked: Effect.sync(() => {
        const now = clock.unsafeCurrentTimeMillis()
        return [...revoked.values()].filter(({ until }) => until > now)
      }),
      unsafeIsRevoked: (id) => {
        const found = revoked.get(id)
        return found !== undefined && found.until > clock.unsafeCurrentTimeMillis()
      },
      unsafeNote: (node, session, { expiresAt, id }) => {
        if (session === "" || session.length > MAX_SESSION_ID || session.includes("\0")) return
        const known = sessions.get(session)
        // A session is let in once; later hooks of it say the same.
        if (known !== undefined) return
        if (sessions.size >= maxSessions)
          for (const oldest of sessions.keys()) {
            drop(oldest)
            break
          }
        sessions.set(session, { session, node, token: id, expiresAt, seenAt: clock.unsafeCurrentTimeMillis() })
        writer?.changed(session)
        any.unsafeOpen()
      },
      due: Effect.sync(() => {
        const now = clock.unsafeCurrentTimeMillis()
        const out: Array<TokenSession> = []
        for (const each of sessions.values()) {
          const since = Math.min(
            each.expiresAt ?? Number.POSITIVE_INFINITY,
            revoked.get(each.token)?.revokedAt ?? Number.POSITIVE_INFINITY
          )
          // A session that was noted after its token's end counts from then.
          if (now - Math.max(since, each.seenAt) > LINGER) drop(each.session)
          else if (since <= now) out.push(each)
        }
        if (sessions.size === 0) any.unsafeClose()
        return out
      }),
      awaitAny: any.await
    })
  })

/** After a restart, revoked tokens count again, until they expire: nodes that ask the manager should have a durable one. */
export const layerMemory = (options?: TokenSessionsOptions): Layer.Layer<TokenSessions> =>
  // Only a store can fail.
  Layer.scoped(TokenSessions, Effect.orDie(make(options)))
