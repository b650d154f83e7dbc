import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import { AuthAction, AuthProtocol } from "../../src/mediamtx/AuthRequest.js"
import * as AuthRules from "../../src/services/AuthPolicy/AuthRules.js"
import type { AuthRulesInput } from "../../src/services/AuthPolicy/AuthRulesDocument.js"
import * as IpSet from "../../src/services/AuthPolicy/IpSet.js"
import * as PathPattern from "../../src/services/AuthPolicy/PathPattern.js"
import type { AuthDecision, AuthRequest } from "../../src/services/AuthPolicy.js"
import { isNodeId, type NodeId } from "../../src/services/NodeId.js"
import { authPolicyContract, makeAuthRequest } from "../../src/testing/AuthPolicyContract.js"

const sha = (text: string) => `sha256:${createHash("sha256").update(text).digest("base64")}`
const nodeId = (text: string): NodeId => {
  if (!isNodeId(text)) throw new Error(text)
  return text
}

const users: NonNullable<AuthRulesInput["users"]> = [
  { name: "alice", secret: "alice-password" },
  { name: "bob", secret: sha("bob-password"), token: "bob-token" },
  { name: "display", token: sha("display-token") }
]

const decide = (
  rules: NonNullable<AuthRulesInput["rules"]>,
  request: Parameters<typeof makeAuthRequest>[0],
  more = {}
) =>
  Effect.scoped(
    Effect.flatMap(AuthRules.make({ users, rules, ...more }), (policy) => policy.decide(makeAuthRequest(request)))
  )

authPolicyContract(
  "rules",
  AuthRules.layer({
    users: [
      ...users,
      { name: "carol", secret: "argon2:$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA" }
    ],
    rules: [
      { allow: ["read"], paths: ["cams/*", "~^live/[0-9]+$"], users: ["any"] },
      { allow: ["publish"], users: ["alice", "carol"], nodes: ["eu-*"] },
      { allow: ["any"], ips: ["10.0.0.0/8", "::1"] },
      { deny: ["pprof"] }
    ]
  })
)
authPolicyContract("rules, none", AuthRules.layer({}))

describe("who", () => {
  const rules = [{ allow: ["read"], paths: ["cams/*"], users: ["any"] }]
  const cases: ReadonlyArray<[string, Parameters<typeof makeAuthRequest>[0], AuthDecision["_tag"], string]> = [
    ["plain password", { user: "alice", password: "alice-password" }, "Allow", 'for user "alice"'],
    ["sha256 password", { user: "bob", password: "bob-password" }, "Allow", 'for user "bob"'],
    ["wrong password", { user: "alice", password: "bob-password" }, "Deny", 'wrong password for user "alice"'],
    ["right user without password", { user: "alice" }, "Deny", 'wrong password for user "alice"'],
    ["unknown user", { user: "eve", password: "alice-password" }, "Deny", 'unknown user "eve"'],
    [
      "a password where the user belongs",
      { user: "alice-password", password: "alice-password" },
      "Deny",
      "unknown user"
    ],
    ["a token where the user belongs", { user: "display-token" }, "Deny", "unknown user"],
    ["token", { token: "bob-token" }, "Allow", 'for user "bob"'],
    ["token with the name of its user", { user: "bob", token: "bob-token" }, "Allow", 'for user "bob"'],
    ["token with another name", { user: "alice", token: "bob-token" }, "Deny", "no user has this token"],
    ["sha256 token", { token: "display-token" }, "Allow", 'for user "display"'],
    ["the hash of a token is no token", { token: sha("display-token") }, "Deny", "no user has this token"],
    ["token as password with name", { user: "display", password: "display-token" }, "Allow", 'for user "display"'],
    ["token as password without name", { password: "display-token" }, "Allow", 'for user "display"'],
    ["wrong token", { token: "nope" }, "Deny", "no user has this token"],
    ["password as token", { token: "bob-password" }, "Deny", "no user has this token"],
    ["token in query", { protocol: "hls", query: "a=b&token=display-token" }, "Allow", 'for user "display"'],
    ["jwt in query", { protocol: "hls", query: "jwt=display-token" }, "Allow", 'for user "display"'],
    ["wrong token in query", { protocol: "hls", query: "token=nope" }, "Deny", "no user has this token"],
    ["nothing", {}, "Ask", 'read on "cams/front" needs credentials'],
    ["nothing, over srt", { protocol: "srt" }, "Deny", "which srt can't ask for"],
    ["nothing, where credentials don't help", { path: "other" }, "Deny", 'no rule allows read on "other"']
  ]
  for (const [name, request, tag, reason] of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const decision = yield* decide(rules, request)
        assert.strictEqual(decision._tag, tag, decision.reason)
        assert.include(decision.reason, reason)
      })
    )
  }

  it.effect("token in query, when that is off", () =>
    Effect.map(decide(rules, { protocol: "hls", query: "token=display-token" }, { tokenInQuery: false }), ({ _tag }) =>
      assert.strictEqual(_tag, "Ask")
    )
  )

  it.effect("wrong credentials don't even do what needs none", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* decide([{ allow: ["read"] }], {}))._tag, "Allow")
      assert.strictEqual((yield* decide([{ allow: ["read"] }], { user: "alice", password: "no" }))._tag, "Deny")
      assert.strictEqual(
        (yield* decide([{ allow: ["read"] }], { user: "alice", password: "no" }, { users: [] }))._tag,
        "Allow"
      )
    })
  )

  it.effect("denied without credentials, but not with them: asks", () =>
    Effect.gen(function* () {
      const rules = [{ deny: ["read"], users: ["anonymous"] }, { allow: ["any"] }]
      assert.strictEqual((yield* decide(rules, {}))._tag, "Ask")
      assert.strictEqual((yield* decide(rules, { token: "bob-token" }))._tag, "Allow")
    })
  )

  it.effect("does not ask where all who could are denied", () =>
    Effect.gen(function* () {
      const rules = [
        { allow: ["read"], users: ["alice", "bob"] },
        { deny: ["any"], users: ["bob"] }
      ]
      assert.strictEqual((yield* decide(rules, {}))._tag, "Ask")
      assert.strictEqual((yield* decide([...rules, { deny: ["read"], users: ["alice"] }], {}))._tag, "Deny")
    })
  )
})

describe("reasons", () => {
  const rules = [
    {
      name: "cameras",
      allow: ["publish"],
      paths: ["cams/*"],
      protocols: ["rtsp", "srt"],
      ips: ["10.0.0.0/8"],
      nodes: ["eu-*"]
    },
    { deny: ["publish"], ips: ["10.6.6.0/24"] }
  ]
  const good = { action: "publish", path: "cams/x", ip: "10.1.2.3", node: nodeId("eu-1") } as const
  const cases: ReadonlyArray<[Parameters<typeof makeAuthRequest>[0], string]> = [
    [good, 'rules[0] "cameras" allows publish on "cams/x" without credentials'],
    [{ ...good, ip: "10.6.6.7" }, 'rules[1] denies publish on "cams/x"'],
    [{ ...good, protocol: "rtmp" }, 'rules[0] "cameras" would allow publish on "cams/x", but not over rtmp'],
    [{ ...good, ip: "192.0.2.9" }, 'rules[0] "cameras" would allow publish on "cams/x", but not from "192.0.2.9"'],
    [{ ...good, node: nodeId("us-1") }, 'rules[0] "cameras" would allow publish on "cams/x", but not on node us-1'],
    [{ ...good, path: "x\ny" }, 'no rule allows publish on "x\\ny"'],
    [{ ...good, action: "metrics", path: "" }, "no rule allows metrics"]
  ]
  for (const [request, reason] of cases) {
    it.effect(reason, () =>
      Effect.map(decide(rules, request), (decision) => assert.strictEqual(decision.reason, reason))
    )
  }

  it.effect("names the user no rule allows", () =>
    Effect.map(decide([{ allow: ["read"], users: ["alice"] }], { token: "bob-token" }), ({ reason }) =>
      assert.strictEqual(reason, 'no rule allows read on "cams/front" for user "bob"')
    )
  )
})

describe("PathPattern", () => {
  const table: ReadonlyArray<[string, ReadonlyArray<string>, ReadonlyArray<string>]> = [
    ["cams/front", ["cams/front"], ["cams/front/x", "cams", "xcams/front"]],
    ["cams/*", ["cams/a", "cams/a-b"], ["cams/a/b", "cams", "xcams/a"]],
    ["*", ["a", "cams"], ["a/b"]],
    ["**", ["a", "a/b/c", ""], []],
    ["cams/**", ["cams/a", "cams/a/b"], ["cams", "camsx/a"]],
    ["cam*", ["cam", "cam1"], ["cam/1"]],
    ["**/front", ["front", "a/front", "a/b/front"], ["xfront", "front/a"]],
    ["a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/bz", "az"]],
    ["a*b*c", ["abc", "aXbYc"], ["aXb/Yc", "ab"]],
    ["a.b", ["a.b"], ["axb"]],
    ["a.*", ["a.x"], ["axx"]],
    ["~^live/.+$", ["live/a", "live/a/b"], ["live/", "xlive/a"]],
    ["~cam", ["my/cam1"], ["ca/m"]],
    ["~(?i)^CAM$", ["cam"], ["cams"]]
  ]
  for (const [pattern, yes, no] of table) {
    it.effect(pattern, () =>
      Effect.gen(function* () {
        const parsed = yield* PathPattern.parse(pattern)
        for (const path of yes) assert.isTrue(PathPattern.matches(parsed, path), path)
        for (const path of no) assert.isFalse(PathPattern.matches(parsed, path), path)
      })
    )
  }

  it.effect("takes linear time for what makes others hang", () =>
    Effect.gen(function* () {
      for (const pattern of ["~^(a+)+$", "~^(a|a)*$", `${"a*".repeat(20)}b`, `${"**/a/".repeat(10)}b`]) {
        const parsed = yield* PathPattern.parse(pattern)
        const hostile = `${pattern.includes("/") ? "a/".repeat(2000) : "a".repeat(4000)}!`
        const start = performance.now()
        assert.isFalse(PathPattern.matches(parsed, hostile))
        // Backtracking would take longer than the universe has.
        assert.isBelow(performance.now() - start, 2000)
      }
    })
  )
})

describe("IpSet", () => {
  const has = (networks: ReadonlyArray<string>, ip: string) =>
    decide([{ allow: ["read"], ips: networks }], { ip }, { users: [] }).pipe(Effect.map(({ _tag }) => _tag === "Allow"))
  const table: ReadonlyArray<[string, string, boolean]> = [
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.0.0.0/8", "::ffff:10.1.2.3", true],
    ["10.9.9.9/8", "10.1.1.1", true],
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7", "192.0.2.8", false],
    ["255.255.255.255/32", "255.255.255.255", true],
    ["128.0.0.0/1", "200.0.0.1", true],
    ["0.0.0.0/0", "200.0.0.1", true],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "::1", true],
    ["::/0", "10.0.0.1", false],
    ["::1", "0:0:0:0:0:0:0:1", true],
    ["fe80::/10", "fe80::1%eth0", true],
    ["fd00::/8", "fe00::1", false],
    ["::ffff:10.0.0.0/104", "10.1.1.1", true],
    ["10.0.0.0/8", "10.0.0", false],
    ["10.0.0.0/8", "010.0.0.1", false],
    ["10.0.0.0/8", "10.0.0.256", false],
    ["10.0.0.0/8", "10.0.0.1.", false],
    ["10.0.0.0/8", "", false]
  ]
  for (const [network, ip, expected] of table) {
    it.effect(`${network} ${expected ? "holds" : "does not hold"} ${JSON.stringify(ip)}`, () =>
      Effect.map(has([network], ip), (found) => assert.strictEqual(found, expected))
    )
  }

  it.effect.prop("reads every address as its parts say", [FastCheck.ipV4()], ([ip]) =>
    Effect.sync(() =>
      assert.strictEqual(
        IpSet.read(ip),
        ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
      )
    )
  )
})

/**
 * The rules read off their description, slow and by other means than the real thing: regular expressions of JavaScript,
 * addresses as text of bits, users in a list.
 */
const reference = (document: AuthRulesInput, request: AuthRequest): AuthDecision["_tag"] => {
  const known = document.users ?? []
  const password = Redacted.value(request.password)
  const token = Redacted.value(request.token)
  const queryToken = new URLSearchParams(Redacted.value(request.query)).get("token") ?? ""
  const is = (secret: string | undefined, guess: string) =>
    secret !== undefined && (secret === guess || secret === sha(guess))

  let who: string | undefined
  let wrong = false
  if (known.length > 0) {
    const bearer = request.user === "" ? token || password || queryToken : password === "" ? token : ""
    if (bearer !== "") {
      who = known.find((user) => is(user.token, bearer) && (request.user === "" || user.name === request.user))?.name
      wrong = who === undefined
    } else if (request.user !== "") {
      who = known.find(
        (user) => user.name === request.user && (is(user.secret, password) || is(user.token, password))
      )?.name
      wrong = who === undefined
    }
  }

  const globs: Record<string, RegExp> = {
    "cams/*": /^cams\/[^/]*$/,
    "cams/**": /^cams\/.+$/,
    "**/1": /^(.*\/)?1$/,
    "~^live/.+$": /^live\/.+$/,
    "~a": /a/
  }
  const bits = (ip: string) =>
    ip
      .split(".")
      .map((part) => Number(part).toString(2).padStart(8, "0"))
      .join("")
  const inNetwork = (network: string) => {
    const [base = "", length = "32"] = network.split("/")
    return bits(request.ip).slice(0, Number(length)) === bits(base).slice(0, Number(length))
  }
  const rules = document.rules ?? []
  const applies = (rule: (typeof rules)[number]) =>
    [...(rule.allow ?? []), ...(rule.deny ?? [])].some((action) => action === "any" || action === request.action) &&
    (rule.paths?.some((path) => globs[path]?.test(request.path) ?? path === request.path) ?? true) &&
    (rule.protocols?.includes(request.protocol) ?? true) &&
    (rule.ips?.some(inNetwork) ?? true) &&
    (rule.nodes?.some((node) => node === request.node || (node === "eu-*" && request.node?.startsWith("eu-"))) ?? true)
  const isFor = (rule: (typeof rules)[number], name: string | undefined) =>
    rule.users?.some((user) =>
      user === "any" ? name !== undefined : user === "anonymous" ? name === undefined : user === name
    ) ?? true
  const outcome = (name: string | undefined) => {
    const mine = rules.filter((rule) => applies(rule) && isFor(rule, name))
    return mine.some((rule) => rule.deny !== undefined) ? "Deny" : mine.length > 0 ? "Allow" : "Deny"
  }
  if (wrong) return "Deny"
  if (outcome(who) === "Allow") return "Allow"
  if (who !== undefined) return "Deny"
  const prompts = ["", "rtsp", "hls", "webrtc"].includes(request.protocol)
  return prompts && known.some(({ name }) => outcome(name) === "Allow") ? "Ask" : "Deny"
}

describe("against the reference", () => {
  /** Left out more often than not, or next to no rule would ever apply. */
  const maybe = <A>(values: ReadonlyArray<A>, weight = 1) =>
    FastCheck.oneof(
      { weight: 3, arbitrary: FastCheck.constant(undefined) },
      { weight, arbitrary: FastCheck.uniqueArray(FastCheck.constantFrom(...values), { minLength: 1, maxLength: 3 }) }
    )
  const addresses = ["10.1.2.3", "10.6.6.6", "192.0.2.1", "203.0.113.200"]
  const rule = FastCheck.record({
    denies: FastCheck.integer({ min: 0, max: 7 }).map((n) => n === 0),
    actions: FastCheck.uniqueArray(FastCheck.constantFrom("any", "any", "read", ...AuthAction.literals), {
      minLength: 1,
      maxLength: 3
    }),
    paths: maybe(["cams/front", "cams/*", "cams/**", "**/1", "~^live/.+$", "~a"]),
    protocols: maybe(AuthProtocol.literals.filter((protocol) => protocol !== "")),
    ips: maybe(["10.0.0.0/8", "10.6.6.0/24", "192.0.2.1", "0.0.0.0/0", "203.0.113.128/25"]),
    users: maybe(["any", "any", "alice", "bob", "display", "anonymous"], 9),
    nodes: maybe(["eu-*", "us-1"])
  }).map(({ denies, actions, ...rest }) => ({
    ...(denies ? { deny: actions } : { allow: actions }),
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  }))
  const document = FastCheck.record({
    users: FastCheck.integer({ min: 0, max: 4 }).map((n) => (n > 0 ? users : [])),
    rules: FastCheck.array(rule, { minLength: 2, maxLength: 6 })
  }).map(
    ({ users, rules }): AuthRulesInput => ({
      users,
      // A rule can't name users that there are none of.
      rules:
        users.length > 0
          ? rules
          : rules.map(
              ({ users: _, ...rest }: AuthRulesInput["rules"] & object extends ReadonlyArray<infer R> ? R : never) =>
                rest
            )
    })
  )
  const request = FastCheck.record({
    action: FastCheck.constantFrom(...AuthAction.literals),
    path: FastCheck.constantFrom("", "cams/front", "cams/a/b", "cams/1", "live/1", "1", "other"),
    protocol: FastCheck.constantFrom(...AuthProtocol.literals),
    ip: FastCheck.constantFrom(...addresses),
    node: FastCheck.constantFrom(undefined, nodeId("eu-1"), nodeId("us-1")),
    credentials: FastCheck.constantFrom(
      {},
      {},
      { user: "alice", password: "alice-password" },
      { user: "bob", password: "bob-password" },
      { user: "bob", password: "bob-token" },
      { user: "bob", password: "wrong" },
      { user: "alice" },
      { user: "eve", password: "bob-password" },
      { user: "alice", token: "bob-token" },
      { token: "bob-token" },
      { token: "wrong" },
      { password: "display-token" },
      { query: "token=display-token" },
      { query: "token=wrong" },
      { query: "other=1" }
    )
  }).map(({ credentials, ...fields }) => makeAuthRequest({ ...fields, ...credentials }))

  const seen = new Map<string, number>()
  it.effect.prop(
    "decides as the reference does, and the order of the rules doesn't matter",
    [document, FastCheck.array(request, { minLength: 10, maxLength: 10 })],
    ([document, requests]) =>
      Effect.scoped(
        Effect.gen(function* () {
          const policy = yield* AuthRules.make(document)
          const reversed = yield* AuthRules.make({ ...document, rules: [...(document.rules ?? [])].reverse() })
          for (const request of requests) {
            const decision = yield* policy.decide(request)
            seen.set(decision._tag, (seen.get(decision._tag) ?? 0) + 1)
            assert.strictEqual(decision._tag, reference(document, request), decision.reason)
            assert.strictEqual((yield* reversed.decide(request))._tag, decision._tag)
          }
        })
      ),
    { fastCheck: { numRuns: 400 } }
  )

  it("has seen every kind of decision", () => {
    for (const tag of ["Allow", "Deny", "Ask"]) assert.isAbove(seen.get(tag) ?? 0, 10, JSON.stringify([...seen]))
  })
})

it.effect("decides at once, without an effect, when no argon2 is needed", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const policy = yield* AuthRules.make({ users, rules: [{ allow: ["read"], users: ["any"] }] })
      for (const request of [
        {},
        { token: "bob-token" },
        { user: "bob", password: "bob-password" },
        { user: "x", password: "y" }
      ]) {
        assert.isTrue(Exit.isExit(policy.decide(makeAuthRequest(request))))
      }
    })
  )
)

it.effect("rules can be replaced; what is invalid leaves the last good ones", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const rules = yield* AuthRules.makeReplaceable({ rules: [{ allow: "read" }] })
      const tag = Effect.map(
        Effect.suspend(() => rules.policy.decide(makeAuthRequest())),
        ({ _tag }) => _tag
      )
      assert.strictEqual(yield* tag, "Allow")
      assert.strictEqual((yield* Effect.flip(rules.replace({ rules: [{ alow: "read" }] })))._tag, "InvalidAuthRules")
      assert.strictEqual(yield* tag, "Allow")
      yield* rules.replace(null)
      assert.strictEqual(yield* tag, "Deny")
    })
  )
)
