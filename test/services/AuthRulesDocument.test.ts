import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { formatIssue } from "../../src/mediamtx/ConfigIssue.js"
import { decode } from "../../src/services/AuthPolicy/AuthRulesDocument.js"

const problems = (input: unknown): ReadonlyArray<string> =>
  Either.match(decode(input), { onLeft: ({ issues }) => issues.map(formatIssue), onRight: () => [] })

const DIGEST = "sha256:XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg="
const ARGON2 =
  "argon2:$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$bWFkZSB1cCBvZiB0aGlydHktdHdvIGJ5dGVzISEhISE"
const rule = (fields: object) => ({ users: [{ name: "alice", secret: "s" }], rules: [{ allow: "read", ...fields }] })
const user = (fields: object) => ({ users: [{ name: "alice", ...fields }] })

describe("what is right", () => {
  const good: Record<string, unknown> = {
    nothing: null,
    "an empty mapping": {},
    "empty lists": { users: [], rules: [] },
    "every field": {
      tokenInQuery: false,
      users: [
        { name: "alice", secret: ARGON2 },
        { name: "bob", secret: DIGEST, token: "plain-token" },
        { name: "display", token: DIGEST }
      ],
      rules: [
        {
          name: "cameras",
          allow: ["publish", "playback.request"],
          paths: ["cams/*", "~^live/.+$"],
          protocols: ["rtsp", "srt", "moq"],
          ips: ["10.0.0.0/8", "::1"],
          users: ["alice", "any", "anonymous"],
          nodes: ["eu-*"]
        },
        { deny: ["any"] }
      ]
    },
    "text for a list of one": rule({ paths: "**", protocols: "hls", ips: "::1", users: "alice", nodes: "*" })
  }
  for (const [name, input] of Object.entries(good)) {
    it(name, () => assert.deepStrictEqual(problems(input), []))
  }

  it.effect("fills in the defaults and makes lists", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* decode({ rules: [{ allow: "read" }] }), {
        users: [],
        rules: [{ allow: ["read"] }],
        tokenInQuery: true
      })
    })
  )
})

describe("what is wrong, where, and what would be right", () => {
  const bad: Record<string, [input: unknown, ...parts: Array<string>]> = {
    "no mapping": [[], "error auth: is a list", "users and rules"],
    "unknown key": [{ rule: [] }, "auth.rule: is not known here", "did you mean rules?"],
    "unknown key of a rule": [rule({ path: "x" }), "auth.rules[0].path: is not known here", "did you mean paths?"],
    "unknown key of a user": [
      user({ token: "t", password: "geheim" }),
      "auth.users[0].password: is not known here",
      "name, secret, token"
    ],
    "users as mapping": [{ users: {} }, "auth.users: is a mapping"],
    "user without name": [{ users: [{ secret: "x" }] }, "auth.users[0].name: is missing"],
    "reserved name": [{ users: [{ name: "any", token: "x" }] }, "auth.users[0].name: any has a meaning of its own"],
    "empty name": [{ users: [{ name: "", token: "x" }] }, "auth.users[0].name: has 0 characters"],
    "user with nothing to prove": [user({}), "auth.users[0].secret: is missing"],
    "user twice": [
      {
        users: [
          { name: "a", token: "x" },
          { name: "a", token: "y" }
        ]
      },
      "auth.users[1].name: a is there twice"
    ],
    "number as secret": [user({ secret: 12345 }), "auth.users[0].secret: is a number; put it in quotes"],
    "empty secret": [user({ secret: "" }), "auth.users[0].secret: is empty, which would let everyone in"],
    "hex digest": [user({ secret: `sha256:${"ab".repeat(32)}` }), "auth.users[0].secret: is not sha256:", "not hex"],
    "argon2 without prefix": [
      user({ secret: ARGON2.slice(7) }),
      "auth.users[0].secret: looks like an argon2 hash without argon2:"
    ],
    "argon2, broken": [
      user({ secret: "argon2:$argon2id$v=19$oops" }),
      "auth.users[0].secret: is not of the form $argon2id"
    ],
    "argon2, old version": [user({ secret: ARGON2.replace("v=19", "v=16") }), "has version 16"],
    "argon2, too much memory": [
      user({ secret: ARGON2.replace("m=65536", "m=262145") }),
      "has m=262145; it must be 32 to 262144 KiB"
    ],
    "argon2, too little memory": [user({ secret: ARGON2.replace("m=65536", "m=31") }), "has m=31"],
    "argon2, too much time": [user({ secret: ARGON2.replace("t=3", "t=11") }), "has t=11; it must be 1 to 10"],
    "argon2, no time": [user({ secret: ARGON2.replace("t=3", "t=0") }), "has t=0"],
    "argon2, too many lanes": [user({ secret: ARGON2.replace("p=4", "p=17") }), "has p=17; it must be 1 to 16"],
    "argon2 as token": [user({ token: ARGON2 }), "auth.users[0].token: is an argon2 hash", "long random token"],
    "neither allow nor deny": [{ rules: [{ paths: "x" }] }, "auth.rules[0]: has neither allow nor deny"],
    "both allow and deny": [rule({ deny: "read" }), "auth.rules[0].deny: stands beside allow; make two rules of it"],
    "unknown action": [
      rule({ allow: "publsh" }),
      'auth.rules[0].allow[0]: "publsh" is no action; did you mean publish?'
    ],
    "unknown protocol": [rule({ protocols: ["rstp"] }), 'auth.rules[0].protocols[0]: "rstp" is no protocol', "rtsp"],
    "empty list": [rule({ paths: [] }), "auth.rules[0].paths: is an empty list, which matches nothing"],
    "no value": [rule({ ips: null }), "auth.rules[0].ips: is empty", "10.0.0.0/8"],
    "look-ahead": [
      rule({ paths: ["a", "~^(?!x)"] }),
      "auth.rules[0].paths[1]: is not a regular expression in RE2 syntax"
    ],
    "shell pattern": [rule({ paths: "cam[12]" }), 'auth.rules[0].paths[0]: has "[", which no path has', "~"],
    "leading slash": [rule({ paths: "/cams/*" }), "auth.rules[0].paths[0]: starts or ends with a slash"],
    "no address": [rule({ ips: ["10.0.0.0/33"] }), 'auth.rules[0].ips[0]: "10.0.0.0/33" is no IP address or network'],
    localhost: [rule({ ips: "localhost" }), "write 127.0.0.1 and ::1"],
    "unknown user": [
      rule({ users: ["alicf"] }),
      'auth.rules[0].users[0]: there is no user "alicf"; did you mean alice?'
    ],
    "no node": [rule({ nodes: ["eu/1"] }), 'auth.rules[0].nodes[0]: "eu/1" can\'t match a node id'],
    "not a boolean": [{ tokenInQuery: "yes" }, "auth.tokenInQuery: is a string", "true or false"]
  }
  for (const [name, [input, ...parts]] of Object.entries(bad)) {
    it(name, () => {
      const found = problems(input)
      assert.lengthOf(found, 1, found.join("\n"))
      for (const part of parts) assert.include(found[0], part)
    })
  }

  it("all of it at once", () => {
    const found = problems({
      user: [],
      users: [{ name: 1 }, { secret: "x" }],
      rules: [{ allow: ["x", "y"], paths: ["["] }]
    })
    assert.isAtLeast(found.length, 6, found.join("\n"))
  })

  it("without the secrets", () => {
    for (const secret of ["sha256:geheim", "argon2:geheim", "$argon2id$geheim", ["geheim"], { x: "geheim" }]) {
      const users = [{ name: "a", secret, token: secret }]
      for (const input of [{ users }, { users: [secret] }, { users: secret }, users, "geheim"]) {
        const found = problems(input)
        assert.isNotEmpty(found)
        assert.notInclude(found.join("\n"), "geheim")
      }
    }
  })
})
