/**
 * What every AuthPolicy must do, as a suite to run against a layer of your own:
 *
 * ```ts
 * authPolicyContract("my policy", MyPolicy.layer, { deterministic: true })
 * ```
 *
 * Needs vitest and @effect/vitest.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { AuthAction, AuthProtocol } from "../mediamtx/AuthRequest.js"
import * as AuthPolicy from "../services/AuthPolicy.js"
import { NodeId } from "../services/NodeId.js"

const node = Schema.decodeSync(NodeId)

/** Long and unmistakable, so that a secret found in a reason is there because it leaked. */
const secret = FastCheck.oneof(
  FastCheck.constant(""),
  FastCheck.uuid().map((id) => `secret-${id}`),
  FastCheck.uuid().map((id) => `"secret" ${id}\nü`)
)

const text = FastCheck.oneof(FastCheck.string({ maxLength: 12 }), FastCheck.string({ unit: "binary", maxLength: 12 }))

/**
 * Arbitrary requests, odd ones included: paths that are no paths, addresses that are no addresses.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const authRequest: FastCheck.Arbitrary<AuthPolicy.AuthRequest> = FastCheck.record({
  node: FastCheck.constantFrom(undefined, node("eu-1"), node("us-1")),
  action: FastCheck.constantFrom(...AuthAction.literals),
  path: FastCheck.oneof(FastCheck.constantFrom("", "cams/front", "cams/a/b", "live/1", "x"), text),
  protocol: FastCheck.constantFrom(...AuthProtocol.literals),
  ip: FastCheck.oneof(
    FastCheck.ipV4(),
    FastCheck.ipV6(),
    FastCheck.constantFrom("127.0.0.1", "::1", "::ffff:10.1.2.3", ""),
    text
  ),
  user: FastCheck.oneof(FastCheck.constantFrom("", "alice", "bob"), text),
  password: secret.map((value) => Redacted.make(value)),
  token: secret.map((value) => Redacted.make(value)),
  query: secret.map((value) => Redacted.make(value === "" ? "" : `token=${value}&pass=${value}`)),
  id: FastCheck.option(FastCheck.uuid()),
  userAgent: text
})

/**
 * A request with nothing in it but what is given, for tests.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeAuthRequest = (
  fields: Partial<Omit<AuthPolicy.AuthRequest, "password" | "token" | "query">> & {
    readonly password?: string
    readonly token?: string
    readonly query?: string
  } = {}
): AuthPolicy.AuthRequest => ({
  node: undefined,
  action: "read",
  path: "cams/front",
  protocol: "rtsp",
  ip: "192.0.2.1",
  user: "",
  id: null,
  userAgent: "",
  ...fields,
  password: Redacted.make(fields.password ?? ""),
  token: Redacted.make(fields.token ?? ""),
  query: Redacted.make(fields.query ?? "")
})

/**
 * @since 0.1.0
 * @category models
 */
export interface AuthPolicyContractOptions {
  /** Whether the same question always gets the same answer. Default: true. */
  readonly deterministic?: boolean | undefined
  /** How many requests each property tries. Default: 100. */
  readonly runs?: number | undefined
}

const secretsOf = (request: AuthPolicy.AuthRequest): ReadonlyArray<string> =>
  [request.password, request.token, request.query].map((value) => Redacted.value(value)).filter((value) => value !== "")

/** Every text form a secret could leak in. */
const leaks = (reason: string, value: string): boolean =>
  reason.includes(value) ||
  reason.includes(JSON.stringify(value).slice(1, -1)) ||
  reason.includes(encodeURIComponent(value))

/**
 * The suite. Each of its tests builds the layer once.
 *
 * @since 0.1.0
 * @category suites
 */
export const authPolicyContract = <E>(
  name: string,
  layer: Layer.Layer<AuthPolicy.AuthPolicy, E>,
  options: AuthPolicyContractOptions = {}
): void => {
  const { all, allowAll, any, denyAll } = AuthPolicy
  const tags = (policy: AuthPolicy.AuthPolicyShape, request: AuthPolicy.AuthRequest) =>
    Effect.map(policy.decide(request), ({ _tag }) => _tag)

  /**
   * A property of the policy over arbitrary inputs. Not by `layer(...)` of @effect/vitest: that changes `it.effect` of the
   * whole file that calls the suite.
   */
  const property = <A>(
    title: string,
    arbitrary: FastCheck.Arbitrary<A>,
    holds: (policy: AuthPolicy.AuthPolicyShape, input: A) => Effect.Effect<void>
  ): void => {
    it.effect(title, () =>
      Effect.gen(function* () {
        const policy = yield* AuthPolicy.AuthPolicy
        const run = Runtime.runPromise(yield* Effect.runtime())
        yield* Effect.promise(() =>
          FastCheck.assert(
            FastCheck.asyncProperty(arbitrary, (input) => run(holds(policy, input))),
            { numRuns: options.runs ?? 100 }
          )
        )
      }).pipe(Effect.provide(layer))
    )
  }

  describe(`AuthPolicy contract: ${name}`, () => {
    property(
      "answers every request, with a reason",
      authRequest,
      Effect.fnUntraced(function* (policy, request) {
        const decision = yield* policy.decide(request)
        assert.include(["Allow", "Deny", "Ask"], decision._tag)
        assert.isNotEmpty(decision.reason)
      })
    )

    property(
      "never shows a password, token or query in its reason",
      authRequest,
      Effect.fnUntraced(function* (policy, request) {
        const { reason } = yield* policy.decide(request)
        for (const value of secretsOf(request)) assert.isFalse(leaks(reason, value), reason)
      })
    )

    property(
      "answers many at once",
      FastCheck.array(authRequest, { minLength: 2, maxLength: 8 }),
      Effect.fnUntraced(function* (policy, requests) {
        const decisions = yield* Effect.forEach(requests, policy.decide, { concurrency: "unbounded" })
        assert.lengthOf(decisions, requests.length)
      })
    )

    if (options.deterministic === false) return

    property(
      "gives the same question the same answer",
      authRequest,
      Effect.fnUntraced(function* (policy, request) {
        const first = yield* policy.decide(request)
        const second = yield* policy.decide(request)
        assert.deepStrictEqual(second, first)
      })
    )

    property(
      "decides the same when it is asked in plain text, where it can be",
      authRequest,
      Effect.fnUntraced(function* (policy, request) {
        const plain = policy.unsafeDecide?.(AuthPolicy.toPlain(request))
        if (plain === undefined) return
        assert.deepStrictEqual(Effect.isEffect(plain) ? yield* plain : plain, yield* policy.decide(request))
      })
    )

    property(
      "all: allowAll is its identity, a denial wins on either side",
      authRequest,
      Effect.fnUntraced(function* (policy, request) {
        const own = yield* tags(policy, request)
        assert.strictEqual(yield* tags(all([policy]), request), own)
        assert.strictEqual(yield* tags(all([allowAll, policy]), request), own)
        assert.strictEqual(yield* tags(all([policy, allowAll]), request), own)
        assert.strictEqual(yield* tags(all([policy, policy]), request), own)
        assert.strictEqual(yield* tags(all([denyAll, policy]), request), "Deny")
        assert.strictEqual(yield* tags(all([policy, denyAll]), request), "Deny")
      })
    )

    property(
      "any: denyAll is its identity, whoever allows wins on either side",
      authRequest,
      Effect.fnUntraced(function* (policy, request) {
        const own = yield* tags(policy, request)
        assert.strictEqual(yield* tags(any([policy]), request), own)
        assert.strictEqual(yield* tags(any([denyAll, policy]), request), own)
        assert.strictEqual(yield* tags(any([policy, denyAll]), request), own)
        assert.strictEqual(yield* tags(any([policy, policy]), request), own)
        assert.strictEqual(yield* tags(any([allowAll, policy]), request), "Allow")
        assert.strictEqual(yield* tags(any([policy, allowAll]), request), "Allow")
      })
    )

    property(
      "deadline: changes nothing for a policy that decides in time",
      authRequest,
      Effect.fnUntraced(function* (policy, request) {
        const own = yield* tags(policy, request)
        assert.strictEqual(yield* tags(AuthPolicy.deadline("1 hour")(policy), request), own)
      })
    )
  })
}
