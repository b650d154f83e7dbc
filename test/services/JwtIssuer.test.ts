import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, FastCheck, Layer, Logger, Redacted, Ref, Schema, Scope, TestClock } from "effect"
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose"
import { plan, type RotationTimes, signing } from "../../src/services/internal/jwtRotation.js"
import * as JwtIssuer from "../../src/services/JwtIssuer.js"
import * as JwtKeys from "../../src/services/JwtKeys.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlJwtKeys from "../../src/sql/SqlJwtKeys.js"
import { jwtKeysContract } from "../../src/testing/JwtKeysContract.js"
import { tempDatabase } from "../sql/support/TempDatabase.js"

jwtKeysContract("JwtKeys.layerMemory", { layer: JwtKeys.layerMemory })
jwtKeysContract("SqlJwtKeys", {
  layer: SqlJwtKeys.layer.pipe(Layer.provide(SqliteNode.layer({ filename: ":memory:" })))
})

const HOUR = 3_600_000
const DAY = 24 * HOUR
const start = Date.UTC(2026, 0, 1)
const read = { permissions: [{ action: "read", path: "cam" }] } satisfies JwtIssuer.JwtGrant

const over = (keys: JwtKeys.JwtKeysShape, options?: JwtIssuer.JwtIssuerOptions) =>
  Effect.provideService(JwtIssuer.make(options), JwtKeys.JwtKeys, keys)

/** An issuer at the start of 2026, and its store. */
const fresh = Effect.fn(function* (options?: JwtIssuer.JwtIssuerOptions) {
  yield* TestClock.setTime(start)
  const keys = yield* JwtKeys.makeMemory
  return { keys, issuer: yield* over(keys, options) }
})
/** Keys are really made, in a thread of their own: turns of the event loop until that is so. */
const eventually = <A, E>(effect: Effect.Effect<A, E>, holds: (value: A) => boolean): Effect.Effect<A, E> =>
  Effect.repeat(
    Effect.zipLeft(
      effect,
      Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    ),
    { until: holds }
  )
const kids = ({ keys }: JwtIssuer.JsonWebKeySet) => keys.map(({ kid }) => kid)

describe("a token", () => {
  it.scoped("is what MediaMTX wants, and verifies against the JWKS", () =>
    Effect.gen(function* () {
      const { issuer } = yield* fresh({ issuer: "https://example.com", audience: "nodes", claimKey: "can" })
      const grant: JwtIssuer.JwtGrant = {
        subject: "viewer 7",
        permissions: [{ action: "read", path: "cam/1" }, { action: "playback", path: "~^cam" }, { action: "api" }],
        lifetime: "90 seconds"
      }
      const issued = yield* issuer.issue(grant)
      const jwks = yield* issuer.jwks
      assert.deepStrictEqual(Schema.encodeUnknownSync(JwtIssuer.JsonWebKeySet)(jwks), jwks)
      const token = Redacted.value(issued.token)
      const { payload, protectedHeader } = yield* Effect.promise(() =>
        jwtVerify(token, createLocalJWKSet({ keys: jwks.keys.map((key) => ({ ...key })) }), {
          issuer: "https://example.com",
          audience: "nodes",
          currentDate: new Date(start)
        })
      )
      assert.deepStrictEqual(protectedHeader, { alg: "ES256", kid: issued.keyId })
      assert.deepStrictEqual(payload, {
        can: [{ action: "read", path: "cam/1" }, { action: "playback", path: "~^cam" }, { action: "api" }],
        sub: "viewer 7",
        iss: "https://example.com",
        aud: "nodes",
        jti: issued.id,
        iat: start / 1000,
        exp: start / 1000 + 90
      })
      assert.strictEqual(issued.expiresAt, start + 90_000)
      assert.notInclude(JSON.stringify(issued), token)
    })
  )

  it.scoped("is short enough for an SRT stream id, with room for the rest", () =>
    Effect.gen(function* () {
      const { issuer } = yield* fresh()
      const { token } = yield* issuer.issue({
        subject: "somebody",
        permissions: [{ action: "read", path: "cam-north" }]
      })
      assert.isBelow(Redacted.value(token).length, 400)
    })
  )

  it.scoped("lives an hour unless told, never longer than allowed", () =>
    Effect.gen(function* () {
      const { issuer } = yield* fresh({ maxLifetime: "2 hours" })
      assert.strictEqual((yield* issuer.issue(read)).expiresAt, start + HOUR)
      for (const lifetime of ["0 seconds", "121 minutes"] as const) {
        const error = yield* Effect.flip(issuer.issue({ ...read, lifetime }))
        assert.strictEqual(error.reason, "InvalidGrant")
        assert.include(error.message, "2h")
      }
    })
  )

  it.scoped("is not given for what means more, or less, than it seems", () =>
    Effect.gen(function* () {
      const { issuer } = yield* fresh()
      const refused: ReadonlyArray<readonly [ReadonlyArray<JwtIssuer.JwtPermission>, string]> = [
        [[], "without permissions"],
        [[{ action: "read", path: "" }], "every path"],
        [[{ action: "read", path: "~" }], "every path"],
        [
          [
            { action: "read", path: "ok" },
            { action: "publish", path: "/cam" }
          ],
          "Permission 2 has a path that begins with a slash"
        ],
        [[{ action: "playback", path: "a b" }], "characters"],
        [[{ action: "api", path: "cam" }], "does not heed"]
      ]
      for (const [permissions, expected] of refused) {
        const error = yield* Effect.flip(issuer.issue({ permissions }))
        assert.strictEqual(error.reason, "InvalidGrant")
        assert.include(error.message, expected)
      }
      // As from a caller without types.
      const error = yield* Effect.flip(issuer.issue(JSON.parse('{"permissions":[{"action":"write"}]}')))
      assert.include(error.message, '"write"')
    })
  )
})

describe("options that contradict each other", () => {
  for (const [options, expected] of [
    [{ lifetime: "2 hours", maxLifetime: "1 hour" }, "maxLifetime"],
    [{ period: "30 minutes" }, "1h 5m"],
    [{ lifetime: 0 }, "lifetime"],
    [{ period: Duration.infinity }, "infinite"],
    [{ claimKey: "exp" }, "claimKey"]
  ] satisfies ReadonlyArray<readonly [JwtIssuer.JwtIssuerOptions, string]>) {
    it.scoped(`are refused: ${expected}`, () =>
      Effect.gen(function* () {
        const keys = yield* JwtKeys.makeMemory
        const error = yield* Effect.flip(over(keys, options))
        assert.strictEqual(error.reason, "Misconfigured")
        assert.include(error.message, expected)
      })
    )
  }
})

describe("rotation", () => {
  it.scoped(
    "every live token is known to every node, however old its copy of the JWKS may be, through many rotations",
    () =>
      Effect.gen(function* () {
        const { issuer } = yield* fresh({ period: "6 hours", lifetime: "3 hours", maxLifetime: "3 hours" })
        const step = 10 * 60_000
        const history: Array<{ readonly at: number; readonly kids: ReadonlySet<string> }> = []
        let live: ReadonlyArray<{ readonly keyId: string; readonly expiresAt: number }> = []
        const signers = new Set<string>()
        let most = 0
        for (let now = start; now < start + 30 * HOUR; now += step) {
          history.push({ at: now, kids: new Set(kids(yield* issuer.jwks)) })
          const token = yield* issuer.issue(read)
          signers.add(token.keyId)
          live = [...live.filter(({ expiresAt }) => expiresAt > now), token]
          // What nodes may hold: fetched within the last hour.
          const copies = history.filter(({ at }) => at >= now - HOUR)
          for (const { keyId } of live) {
            for (const copy of copies) {
              if (!copy.kids.has(keyId)) assert.fail(`${keyId} unknown ${(now - start) / HOUR} h after the start`)
            }
          }
          most = Math.max(most, history.at(-1)?.kids.size ?? 0)
          yield* TestClock.adjust(step)
        }
        assert.strictEqual(signers.size, 5)
        assert.strictEqual(most, 2)
      }),
    60_000
  )

  it.scoped("publishes the next key 65 minutes before it signs, and withdraws the old one when nothing needs it", () =>
    Effect.gen(function* () {
      const { issuer } = yield* fresh({ period: "1 day", lifetime: "1 hour", maxLifetime: "1 hour" })
      const [first = ""] = kids(yield* issuer.jwks)
      yield* TestClock.adjust(DAY - 66 * 60_000)
      assert.deepStrictEqual(kids(yield* issuer.jwks), [first])
      yield* TestClock.adjust("1 minute")
      const [, second = ""] = kids(yield* eventually(issuer.jwks, ({ keys }) => keys.length === 2))
      yield* TestClock.adjust(65 * 60_000 - 1)
      assert.strictEqual((yield* issuer.issue(read)).keyId, first)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* issuer.issue(read)).keyId, second)
      // The last token of the first key, plus an hour of a cached JWKS, plus five minutes.
      yield* TestClock.adjust("124 minutes")
      assert.deepStrictEqual(kids(yield* issuer.jwks), [first, second])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(kids(yield* issuer.jwks), [second])
    })
  )

  it.scoped("happens by itself when nobody asks", () =>
    Effect.gen(function* () {
      const { keys } = yield* fresh({ period: "6 hours" })
      const hours = Effect.map(keys.list, (list) => list.map(({ activeAt }) => (activeAt - start) / HOUR))
      const next = (expected: ReadonlyArray<number>) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("6 hours")
          assert.deepStrictEqual(yield* eventually(hours, (found) => found.at(-1) === expected.at(-1)), expected)
        })
      yield* next([0, 6])
      yield* next([0, 6, 12])
      yield* next([0, 6, 12, 18])
      yield* next([0, 6, 12, 18, 24])
      yield* next([0, 6, 12, 18, 24, 30])
      // The first was kept for the last of its tokens, which could live for a day.
      yield* next([6, 12, 18, 24, 30, 36])
    })
  )

  it.scoped("after weeks away the old key signs on until nodes can know the new one", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      const keys = yield* JwtKeys.makeMemory
      const scope = yield* Scope.make()
      const before = yield* Effect.provideService(over(keys), Scope.Scope, scope)
      const { keyId } = yield* before.issue(read)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("30 days")
      assert.strictEqual((yield* keys.list).length, 1)
      const after = yield* over(keys)
      assert.strictEqual(kids(yield* after.jwks).length, 2)
      assert.strictEqual((yield* after.issue(read)).keyId, keyId)
      yield* TestClock.adjust("64 minutes")
      assert.strictEqual((yield* after.issue(read)).keyId, keyId)
      yield* TestClock.adjust("1 minute")
      assert.notStrictEqual((yield* after.issue(read)).keyId, keyId)
    })
  )

  it.scoped("by hand it keeps the same distance, and is not done twice", () =>
    Effect.gen(function* () {
      const { issuer } = yield* fresh()
      const { keyId } = yield* issuer.issue(read)
      yield* issuer.rotate
      yield* issuer.rotate
      assert.strictEqual(kids(yield* issuer.jwks).length, 2)
      assert.strictEqual((yield* issuer.issue(read)).keyId, keyId)
      yield* TestClock.adjust("65 minutes")
      assert.notStrictEqual((yield* issuer.issue(read)).keyId, keyId)
    })
  )

  it.scoped("two managers on one store sign with the same keys, and each publishes the other's", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      const keys = yield* JwtKeys.makeMemory
      const [one, two] = yield* Effect.all([over(keys, { period: "6 hours" }), over(keys, { period: "6 hours" })], {
        concurrency: "unbounded"
      })
      for (let hours = 0; hours < 20; hours++) {
        yield* eventually(
          Effect.all([one.jwks, two.jwks]),
          ([first, second]) => kids(first).join() === kids(second).join()
        )
        assert.strictEqual((yield* one.issue(read)).keyId, (yield* two.issue(read)).keyId)
        yield* TestClock.adjust("1 hour")
      }
    })
  )

  it.scoped("while the store is away it goes on with the keys that it has, says so, and catches up", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      const keys = yield* JwtKeys.makeMemory
      const away = yield* Ref.make(false)
      const error = new JwtKeys.JwtKeysError({ reason: "ReadFailed", message: "the disk is gone" })
      const whenThere = <A>(effect: Effect.Effect<A, JwtKeys.JwtKeysError>) =>
        Effect.flatMap(Ref.get(away), (gone) => (gone ? error : effect))
      const flaky: JwtKeys.JwtKeysShape = {
        list: whenThere(keys.list),
        add: (key) => whenThere(keys.add(key)),
        remove: (ids) => whenThere(keys.remove(ids))
      }
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
      yield* Effect.gen(function* () {
        const issuer = yield* over(flaky, { period: "6 hours" })
        const { keyId } = yield* issuer.issue(read)
        yield* Ref.set(away, true)
        yield* TestClock.adjust("12 hours")
        assert.strictEqual((yield* issuer.issue(read)).keyId, keyId)
        assert.isTrue(lines.some((line) => line.startsWith("WARN") && line.includes("the disk is gone")))
        yield* Ref.set(away, false)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(kids(yield* issuer.jwks).length, 2)
        yield* TestClock.adjust("65 minutes")
        assert.notStrictEqual((yield* issuer.issue(read)).keyId, keyId)
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      for (const { privateJwk } of yield* keys.list) {
        const { d } = JSON.parse(Redacted.value(privateJwk))
        assert.notInclude(lines.join("\n"), d)
      }
      const failed = yield* Ref.set(away, true).pipe(Effect.zipRight(Effect.flip(over(flaky))))
      assert.strictEqual(failed.reason, "KeysUnavailable")
    })
  )

  it.scoped("a clock that is set back changes nothing that was given out", () =>
    Effect.gen(function* () {
      const { issuer } = yield* fresh()
      const { keyId } = yield* issuer.issue(read)
      yield* TestClock.setTime(start - DAY)
      assert.strictEqual((yield* issuer.issue(read)).keyId, keyId)
      assert.deepStrictEqual(kids(yield* issuer.jwks), [keyId])
    })
  )

  it("never signs by a key younger than the lead, nor drops one that is needed, whenever it is looked after", () => {
    const times: RotationTimes = { lead: 65, period: 1000, keep: 200 }
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.tuple(FastCheck.integer({ min: 0, max: 700 }), FastCheck.boolean()), {
          maxLength: 60
        }),
        (looks) => {
          let keys: ReadonlyArray<{ readonly id: string; readonly activeAt: number; readonly publishedAt: number }> = []
          const signed = new Map<string, number>()
          let now = 0
          looks.forEach(([pause, early], index) => {
            now += pause
            const { create, remove } = plan(keys, now, times, early && index > 0)
            for (const id of remove) {
              // Signed last at least `keep` ago: what it signed has expired everywhere.
              assert.isAtMost((signed.get(id) ?? Number.NEGATIVE_INFINITY) + times.keep, now)
            }
            keys = keys.filter(({ id }) => !remove.includes(id))
            if (create !== undefined)
              keys = [...keys, { id: String(index), activeAt: create.activeAt, publishedAt: now }]
            const signer = signing(keys, now)
            assert.isDefined(signer)
            if (signer === undefined) return
            signed.set(signer.id, now)
            // The very first needs no lead: no node can have a JWKS without it.
            if (signer.id !== "0") assert.isAtLeast(now - signer.publishedAt, times.lead)
            assert.isAtMost(keys.filter(({ activeAt }) => activeAt > now).length, 1)
          })
        }
      ),
      { numRuns: 300 }
    )
  })
})

describe("the public keys", () => {
  it.scoped("have nothing of the private ones", () =>
    Effect.gen(function* () {
      const { issuer, keys } = yield* fresh()
      const text = JSON.stringify(yield* issuer.jwks)
      const [stored] = yield* keys.list
      assert.isDefined(stored)
      const { d } = JSON.parse(Redacted.value(stored?.privateJwk ?? Redacted.make("{}")))
      assert.isAbove(d.length, 40)
      assert.notInclude(text, d)
      assert.deepStrictEqual(Object.keys(JSON.parse(text).keys[0]).sort(), [
        "alg",
        "crv",
        "kid",
        "kty",
        "use",
        "x",
        "y"
      ])
    })
  )
})

describe("on a database file", () => {
  it.scoped("a restart signs with the same key, and tokens of before are good", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      const filename = yield* tempDatabase
      const Issuer = JwtIssuer.layer().pipe(
        Layer.provide(SqlJwtKeys.layer),
        Layer.provide(SqliteNode.layer({ filename }))
      )
      const once = Effect.gen(function* () {
        const issuer = yield* JwtIssuer.JwtIssuer
        return [yield* issuer.issue(read), yield* issuer.jwks] as const
      }).pipe(Effect.provide(Layer.fresh(Issuer)))
      const [before] = yield* once
      const [after, jwks] = yield* once
      assert.strictEqual(after.keyId, before.keyId)
      const token = Redacted.value(before.token)
      assert.strictEqual(decodeProtectedHeader(token).kid, before.keyId)
      yield* Effect.promise(() =>
        jwtVerify(token, createLocalJWKSet({ keys: jwks.keys.map((key) => ({ ...key })) }), {
          currentDate: new Date(start)
        })
      )
      assert.isUndefined(decodeJwt(token).nbf)
    })
  )

  it.scoped("a key that was spoiled is named, not replaced in silence", () =>
    Effect.gen(function* () {
      const keys = yield* JwtKeys.makeMemory
      yield* keys.add({ id: "spoiled", follows: "", publishedAt: 0, activeAt: 0, privateJwk: Redacted.make("{secret") })
      const error = yield* Effect.flip(over(keys))
      assert.strictEqual(error.reason, "KeysUnavailable")
      assert.include(error.message, "spoiled")
      assert.notInclude(String(error), "{secret")
    })
  )
})
