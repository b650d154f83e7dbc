/**
 * JwtIssuer: tokens with which viewers and publishers come to nodes that check them by themselves (`authMethod: jwt`), so
 * that nobody is turned away while the manager is down.
 *
 * It signs short-lived tokens with a key of its own (ES256: a token of some 350 characters, which also fits into the 512
 * of an SRT stream id) and gives out the public keys as a JWKS. Keys rotate with an overlap, see `JwtIssuerOptions`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from "jose"
import { staticPathNameProblem } from "../mediamtx/StaticPathName.js"
import { plan, type RotationTimes, signing } from "./internal/jwtRotation.js"
import { type JwtKey, JwtKeys, type JwtKeysError } from "./JwtKeys.js"
import type { Timestamp } from "./Timestamp.js"
import { newTokenId, type TokenId } from "./TokenSessions.js"

/**
 * - `InvalidGrant`: what was asked for makes no sense, or more than it seems to.
 * - `Misconfigured`: the options contradict each other.
 * - `KeysUnavailable`: there is no usable key, and none could be made or stored.
 */
export class JwtIssuerError extends Schema.TaggedError<JwtIssuerError>()("JwtIssuerError", {
  reason: Schema.Literal("InvalidGrant", "Misconfigured", "KeysUnavailable"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/** What the bearer of a token may do. */
export interface JwtPermission {
  readonly action: "publish" | "read" | "playback" | "api" | "metrics" | "pprof"
  /**
   * For publish, read and playback: a path's name, or `~` and a regular expression (Go's RE2; it matches anywhere in the
   * name, so write `~^cam-[0-9]+$`). Left out: every path.
   */
  readonly path?: string | undefined
}

export interface JwtGrant {
  /** At least one. */
  readonly permissions: ReadonlyArray<JwtPermission>
  /** Who it is for, as nodes log it (`sub`). */
  readonly subject?: string | undefined
  /** Default: `lifetime` of the issuer. At most its `maxLifetime`. Nodes that check tokens by themselves take it until then. */
  readonly lifetime?: Duration.DurationInput | undefined
}

export interface IssuedJwt {
  /** For `Authorization: Bearer TOKEN`, as the password of any user, and for `?jwt=TOKEN` with RTSP and RTMP. */
  readonly token: Redacted.Redacted
  readonly expiresAt: Timestamp
  readonly keyId: string
  /** `jti` of the token, by which it can be taken back: see `TokenSessions`. */
  readonly id: TokenId
}

/** A public key as a JSON Web Key. */
export const PublicJwk = Schema.Struct({
  kty: Schema.Literal("EC"),
  crv: Schema.Literal("P-256"),
  x: Schema.String,
  y: Schema.String,
  kid: Schema.String,
  alg: Schema.Literal("ES256"),
  use: Schema.Literal("sig")
}).annotations({ identifier: "PublicJwk" })
export type PublicJwk = typeof PublicJwk.Type

/** The body of `/jwks.json`. */
export const JsonWebKeySet = Schema.Struct({ keys: Schema.Array(PublicJwk) }).annotations({
  identifier: "JsonWebKeySet"
})
export type JsonWebKeySet = typeof JsonWebKeySet.Type

export interface JwtIssuerShape {
  readonly issue: (grant: JwtGrant) => Effect.Effect<IssuedJwt, JwtIssuerError>
  /** The public keys of the present: those that sign or did, and the one that will. To be cached for five minutes at most. */
  readonly jwks: Effect.Effect<JsonWebKeySet>
  /** Publishes the next key now instead of at its time. It signs when every node can have fetched it. */
  readonly rotate: Effect.Effect<void, JwtIssuerError>
  /** How long a token may live at most. */
  readonly maxLifetime: Duration.Duration
}

export class JwtIssuer extends Context.Tag("mtx-manager/JwtIssuer")<JwtIssuer, JwtIssuerShape>() {}

export interface JwtIssuerOptions {
  /** `iss` of the tokens. Give it to the nodes too (`authJWTIssuer`), and they take no other's. */
  readonly issuer?: string | undefined
  /** `aud` of the tokens; `authJWTAudience` of the nodes. */
  readonly audience?: string | undefined
  /** The claim with the permissions (default `mediamtx_permissions`); `authJWTClaimKey` of the nodes. */
  readonly claimKey?: string | undefined
  /**
   * How long a token lives (default one hour). It is looked at when a session begins; of those that are known to have come
   * in by it, the manager ends what is left then (see `TokenSessions`).
   */
  readonly lifetime?: Duration.DurationInput | undefined
  /** The longest that may be asked for (default one day, at least `lifetime`). */
  readonly maxLifetime?: Duration.DurationInput | undefined
  /** How long a key signs before the next does (default seven days). */
  readonly period?: Duration.DurationInput | undefined
  /**
   * How long a node may go on with the JWKS it has (default one hour, as MediaMTX does). With five minutes on top for what
   * is under way or cached between: for so long a key is published before it signs, and for so long plus `maxLifetime` it
   * is kept after it did.
   */
  readonly jwksCache?: Duration.DurationInput | undefined
}

/** For requests under way, and for caches that keep the JWKS for a few minutes. */
const margin = Duration.minutes(5)

/** Who asks gets an answer that is no older than this. It counts into the margin: another manager may have made a key. */
const freshness = Duration.minutes(1)

/** How often it is looked whether a key is due when nobody asks. */
const rotationInterval = Duration.minutes(5)

interface Loaded {
  readonly key: JwtKey
  readonly publicJwk: PublicJwk
  readonly privateKey: CryptoKey
}

const alg = "ES256"

const PrivateJwk = Schema.Struct({
  kty: Schema.Literal("EC"),
  crv: Schema.Literal("P-256"),
  x: Schema.String,
  y: Schema.String,
  d: Schema.String
})
const decodePrivateJwk = Schema.decodeUnknown(Schema.parseJson(PrivateJwk))
const encodePrivateJwk = Schema.encode(Schema.parseJson(PrivateJwk))
const decodeJwkValue = Schema.decodeUnknown(PrivateJwk)

const keysUnavailable = (message: string) => (cause: unknown) =>
  new JwtIssuerError({ reason: "KeysUnavailable", message, cause })

const generate = Effect.fnUntraced(function* (follows: string, publishedAt: number, activeAt: number) {
  const exported = yield* Effect.tryPromise({
    // Extractable: it has to be stored.
    try: async () => exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey),
    catch: keysUnavailable("A key could not be made")
  })
  // Anything else would be a bug of the library.
  const jwk = yield* Effect.orDie(decodeJwkValue(exported))
  const id = yield* Effect.promise(() => calculateJwkThumbprint({ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y }))
  const privateJwk = Redacted.make(yield* Effect.orDie(encodePrivateJwk(jwk)))
  const key: JwtKey = { id, follows, publishedAt, activeAt, privateJwk }
  return key
})

const load = (key: JwtKey): Effect.Effect<Loaded, JwtIssuerError> =>
  Effect.gen(function* () {
    const jwk = yield* decodePrivateJwk(Redacted.value(key.privateJwk))
    const privateKey = yield* Effect.tryPromise(() => importJWK(jwk, alg))
    if (privateKey instanceof Uint8Array) return yield* Effect.dieMessage("an EC key is never plain bytes")
    return {
      key,
      privateKey,
      publicJwk: { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y, kid: key.id, alg, use: "sig" } as const
    }
    // The cause could hold the key: it is left out.
  }).pipe(
    Effect.mapError(
      () =>
        new JwtIssuerError({
          reason: "KeysUnavailable",
          message: `The stored key ${key.id} can't be used: it is not a private key of P-256 in JWK form; delete it`
        })
    )
  )

const actions = ["publish", "read", "playback", "api", "metrics", "pprof"]
const pathActions = ["publish", "read", "playback"]

const permissionProblem = ({ action, path }: JwtPermission): string | undefined => {
  if (!actions.includes(action)) return `has the action ${JSON.stringify(action)}; use one of ${actions.join(", ")}`
  if (path === undefined) return undefined
  if (!pathActions.includes(action)) return `has a path, which ${action} does not heed; leave it out`
  if (path === "") return "has an empty path, which nodes take for every path; leave path out if that is meant"
  if (path === "~") return 'has the path "~", which nodes take for every path; leave path out if that is meant'
  if (path.startsWith("~")) return undefined
  const problem = staticPathNameProblem(path)
  return problem === undefined
    ? undefined
    : `has a path that ${problem}; use a path's name, or ~ and a regular expression`
}

const times = Effect.fnUntraced(function* (options: JwtIssuerOptions) {
  const cache = Duration.decode(options.jwksCache ?? Duration.hours(1))
  const lifetime = Duration.decode(options.lifetime ?? Duration.hours(1))
  const maxLifetime = Duration.decode(options.maxLifetime ?? Duration.max(lifetime, Duration.days(1)))
  const period = Duration.decode(options.period ?? Duration.days(7))
  const lead = Duration.sum(cache, margin)
  const refuse = (message: string) => new JwtIssuerError({ reason: "Misconfigured", message })
  for (const [name, value] of Object.entries({ lifetime, maxLifetime, period })) {
    if (!Duration.isFinite(value)) return yield* refuse(`${name} is infinite; give a time`)
  }
  if (Duration.lessThan(lifetime, "1 second")) return yield* refuse("lifetime must be at least one second")
  if (Duration.lessThan(maxLifetime, lifetime)) {
    return yield* refuse(
      `maxLifetime (${Duration.format(maxLifetime)}) is shorter than lifetime (${Duration.format(lifetime)})`
    )
  }
  if (Duration.lessThan(period, lead)) {
    return yield* refuse(
      `period (${Duration.format(period)}) is too short: a key must sign for at least ${Duration.format(lead)}, which ` +
        "is how long the next one has to be published before"
    )
  }
  const rotation: RotationTimes = {
    lead: Duration.toMillis(lead),
    period: Duration.toMillis(period),
    keep: Duration.toMillis(Duration.sum(maxLifetime, lead))
  }
  return { lifetime, maxLifetime, rotation }
})

/**
 * Makes an issuer over the JwtKeys. Keys are looked after by a schedule and, where no timer runs (a Worker between two
 * requests), by whoever asks next. While the store is away it goes on with the keys that it knows.
 */
export const make = Effect.fn("JwtIssuer.make")(function* (options: JwtIssuerOptions = {}) {
  const store = yield* JwtKeys
  const { lifetime, maxLifetime, rotation } = yield* times(options)
  const claimKey = options.claimKey ?? "mediamtx_permissions"
  if (claimKey === "" || ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"].includes(claimKey)) {
    return yield* new JwtIssuerError({
      reason: "Misconfigured",
      message: `claimKey is ${JSON.stringify(claimKey)}; give a name that JWT has no other use for`
    })
  }
  const interval = Duration.toMillis(freshness)
  const lock = yield* Effect.makeSemaphore(1)
  let loaded: ReadonlyArray<Loaded> = []
  let checkedAt: number | undefined

  const adopt = Effect.fnUntraced(function* (keys: ReadonlyArray<JwtKey>) {
    const known = new Map(loaded.map((entry) => [entry.key.id, entry]))
    loaded = yield* Effect.forEach(keys, (key) => {
      const entry = known.get(key.id)
      return entry === undefined ? load(key) : Effect.succeed(entry)
    })
  })

  /** Brings the store to what should be now, and the memory to what is in the store. */
  const advance = Effect.fnUntraced(function* (now: number, early: boolean) {
    let keys = yield* store.list
    const { create, remove } = plan(keys, now, rotation, early)
    if (create !== undefined) {
      const key = yield* generate(create.follows, now, create.activeAt)
      // Not added: another manager was faster, and its key is as good.
      if (yield* store.add(key))
        yield* Effect.logInfo(`Published the JWT key ${key.id}, which signs from ${iso(key.activeAt)} on`)
      keys = yield* store.list
    }
    if (remove.length > 0) {
      yield* store.remove(remove)
      keys = keys.filter(({ id }) => !remove.includes(id))
      yield* Effect.logInfo(`Withdrew the JWT keys ${remove.join(", ")}, whose last tokens have expired`)
    }
    yield* adopt(keys)
  })

  const explain = (error: JwtKeysError | JwtIssuerError) =>
    error._tag === "JwtIssuerError" ? error : keysUnavailable(error.message)(error)

  // Set back by more than an interval: look again, too.
  const fresh = (now: number) => checkedAt !== undefined && Math.abs(now - checkedAt) < interval
  const look = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    // Another one looked while this one waited.
    if (fresh(now)) return
    // Before the attempt: a store that is away is asked once an interval, not by every request.
    checkedAt = now
    yield* advance(now, false)
  }).pipe(
    Effect.catchAll((error) => Effect.logWarning(`The JWT keys could not be looked after: ${error.message}`)),
    Effect.uninterruptible,
    lock.withPermits(1)
  )
  const check = Effect.flatMap(Clock.currentTimeMillis, (now) => (fresh(now) ? Effect.void : look))

  const now = yield* Clock.currentTimeMillis
  yield* Effect.mapError(advance(now, false), explain)
  checkedAt = now
  yield* look.pipe(Effect.schedule(Schedule.spaced(rotationInterval)), Effect.forkScoped)

  const shape: JwtIssuerShape = {
    issue: Effect.fnUntraced(function* (grant) {
      const refuse = (message: string) => new JwtIssuerError({ reason: "InvalidGrant", message })
      if (grant.permissions.length === 0) return yield* refuse("A token without permissions is good for nothing")
      for (const [index, permission] of grant.permissions.entries()) {
        const problem = permissionProblem(permission)
        if (problem !== undefined) return yield* refuse(`Permission ${index + 1} ${problem}`)
      }
      const wanted = grant.lifetime === undefined ? lifetime : Duration.decode(grant.lifetime)
      if (Duration.lessThan(wanted, "1 second") || Duration.greaterThan(wanted, maxLifetime)) {
        return yield* refuse(
          `lifetime is ${Duration.format(wanted)}; tokens live from one second to ${Duration.format(maxLifetime)}`
        )
      }
      yield* check
      const millis = yield* Clock.currentTimeMillis
      const current = signing(
        loaded.map(({ key, privateKey }) => ({ id: key.id, activeAt: key.activeAt, privateKey })),
        millis
      )
      if (current === undefined) return yield* keysUnavailable("There is no key to sign with")(undefined)
      // In whole seconds. No `nbf`: nodes allow no difference between clocks, and would refuse a fresh token.
      const issuedAt = Math.floor(millis / 1000)
      const expires = issuedAt + Math.ceil(Duration.toSeconds(wanted))
      const id = newTokenId()
      const jwt = new SignJWT({
        [claimKey]: grant.permissions.map(({ action, path }) => ({ action, ...(path === undefined ? {} : { path }) }))
      })
        .setProtectedHeader({ alg, kid: current.id })
        .setJti(id)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expires)
      if (grant.subject !== undefined) jwt.setSubject(grant.subject)
      if (options.issuer !== undefined) jwt.setIssuer(options.issuer)
      if (options.audience !== undefined) jwt.setAudience(options.audience)
      const token = yield* Effect.tryPromise({
        try: () => jwt.sign(current.privateKey),
        catch: keysUnavailable(`The key ${current.id} could not sign`)
      })
      return { token: Redacted.make(token), expiresAt: expires * 1000, keyId: current.id, id }
    }),
    maxLifetime,
    jwks: Effect.map(check, () => ({ keys: loaded.map(({ publicJwk }) => publicJwk) })),
    rotate: Effect.gen(function* () {
      yield* Effect.mapError(advance(yield* Clock.currentTimeMillis, true), explain)
    }).pipe(Effect.uninterruptible, lock.withPermits(1))
  }
  return shape
})

const iso = (millis: number) => new Date(millis).toISOString()

/**
 * @example
 * ```ts
 * const Tokens = JwtIssuer.layer({ issuer: "https://example.com" }).pipe(Layer.provide(SqlJwtKeys.layer))
 *
 * const link = Effect.gen(function* () {
 *   const issuer = yield* JwtIssuer.JwtIssuer
 *   const { token } = yield* issuer.issue({ permissions: [{ action: "read", path: "cam" }], lifetime: "10 minutes" })
 *   return token
 * })
 * ```
 */
export const layer = (options: JwtIssuerOptions = {}): Layer.Layer<JwtIssuer, JwtIssuerError, JwtKeys> =>
  Layer.scoped(JwtIssuer, make(options))
