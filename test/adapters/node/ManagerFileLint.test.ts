import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { parseManagerFile } from "../../../src/adapters/node/ManagerFile.js"
import { lintManagerFile, managerLintRules } from "../../../src/adapters/node/ManagerFileLint.js"
import { parseConfigText } from "../../../src/mediamtx/ConfigDocument.js"
import { formatField } from "../../../src/mediamtx/ConfigIssue.js"
import { lintRules } from "../../../src/mediamtx/ConfigLint.js"

interface Case {
  readonly rule: string
  readonly bad: string
  readonly at: ReadonlyArray<string>
  readonly good: ReadonlyArray<string>
  readonly paths?: ReadonlyArray<string>
}

const rules = (...lines: ReadonlyArray<string>) => `auth:\n  rules:\n${lines.map((line) => `    - ${line}\n`).join("")}`
const users = (...lines: ReadonlyArray<string>) => `  users:\n${lines.map((line) => `    - ${line}\n`).join("")}`
const ann = users("{name: ann, secret: change-me-now}")
const hashed = "sha256:j1tsRqDEw9xvq/D7/9tMx6Jh/jMhk3UfjwIB2f1zgMo="

const cases: ReadonlyArray<Case> = [
  {
    rule: "manager-open-publish",
    bad: rules("{allow: [read, publish], paths: cams/*}"),
    at: ["auth.rules[0].allow"],
    good: [
      rules("{allow: publish, ips: 10.0.0.0/8}"),
      rules("{allow: publish, nodes: edge-*}"),
      rules("{deny: publish}"),
      rules("{allow: publish, users: ann}") + ann
    ]
  },
  {
    rule: "manager-open-publish",
    bad: rules("{allow: any, users: anonymous, ips: ['::/0']}"),
    at: ["auth.rules[0].allow"],
    good: []
  },
  {
    rule: "manager-open-admin",
    bad: rules("{allow: api}"),
    at: ["auth.rules[0].allow"],
    good: [rules("{allow: api, ips: [127.0.0.1]}"), rules("{allow: read}")]
  },
  {
    rule: "manager-open-playback",
    bad: rules("{allow: playback}"),
    at: ["auth.rules[0].allow"],
    good: [rules("{allow: read}")]
  },
  {
    rule: "manager-open-read",
    bad: rules("{allow: read}"),
    at: ["auth.rules[0].allow"],
    good: [rules("{allow: publish}")]
  },
  {
    rule: "manager-plain-secret",
    bad: rules("{allow: read, users: any}") + users("{name: ann, secret: change-me-now, token: a-long-text}"),
    at: ["auth.users[0].secret", "auth.users[0].token"],
    good: [rules("{allow: read, users: any}") + users(`{name: ann, secret: "${hashed}"}`)]
  },
  {
    rule: "manager-fast-hash",
    bad: rules("{allow: read, users: any}") + users(`{name: ann, secret: "${hashed}"}`),
    at: ["auth.users[0].secret"],
    good: [rules("{allow: read, users: any}") + users(`{name: ann, token: "${hashed}"}`)]
  },
  {
    rule: "manager-plain-storage-secret",
    bad: "storage:\n  kind: s3\n  endpoint: https://s3.example\n  bucket: b\n  accessKeyId: k\n  secretAccessKey: s\n",
    at: ["storage.secretAccessKey"],
    good: ["storage:\n  kind: filesystem\n"]
  },
  {
    rule: "manager-token-in-query",
    bad: rules("{allow: read, users: any}") + users("{name: ann, token: a-long-text}"),
    at: ["auth.tokenInQuery"],
    good: [
      rules("{allow: read, users: any}") + ann,
      `${rules("{allow: read, users: any}")}${users("{name: ann, token: a-long-text}")}  tokenInQuery: false\n`
    ]
  },
  { rule: "manager-no-rules", bad: rules("{deny: any}"), at: ["auth.rules"], good: [rules("{allow: read}")] },
  {
    rule: "manager-rule-never",
    bad: rules(
      "{allow: playback, protocols: hls}",
      "{deny: [api, metrics], paths: cams/*}",
      "{allow: read, users: any}"
    ),
    at: ["auth.rules[0].protocols", "auth.rules[1].paths", "auth.rules[2].users"],
    good: [
      rules("{allow: [playback, read], protocols: hls}"),
      rules('{deny: api, paths: "~^$"}'),
      rules("{allow: any, paths: cams/*}"),
      rules("{allow: read, users: [any, anonymous]}"),
      rules("{allow: read, users: any}") + ann
    ]
  },
  {
    rule: "manager-rule-denied",
    bad: rules("{allow: read, paths: cams/front, ips: 10.1.0.0/16}", "{deny: any, paths: cams/*, ips: 10.0.0.0/8}"),
    at: ["auth.rules[0]"],
    good: [
      rules("{allow: read, paths: cams/front}", "{deny: any, paths: cams/*, ips: 10.0.0.0/8}"),
      rules("{allow: [read, publish]}", "{deny: publish}"),
      rules('{allow: read, paths: "~^cams/.*$"}', "{deny: any, paths: cams/*}")
    ]
  },
  {
    rule: "manager-rule-redundant",
    bad: rules(
      "{allow: read, paths: a}",
      "{allow: [read, publish], ips: 10.0.0.0/8}",
      "{allow: read, paths: a}",
      "{allow: read}"
    ),
    at: ["auth.rules[0]", "auth.rules[2]"],
    good: [
      rules("{allow: read, paths: a}", "{allow: publish}"),
      rules("{allow: read, nodes: eu-*}", "{allow: read, nodes: eu-1}").replace("eu-1", "us-1"),
      rules("{allow: read, users: [anonymous]}", "{allow: read, users: any}") + ann
    ]
  },
  {
    rule: "manager-rule-no-path",
    bad: rules("{allow: read, paths: [cam1, camm, live/x, live/*]}"),
    at: ["auth.rules[0].paths[1]"],
    good: [rules("{allow: read, paths: [cam1]}")],
    paths: ["cam1", "~^live/.+$"]
  },
  {
    rule: "manager-user-without-rule",
    bad:
      rules("{allow: read, users: ann}") +
      users("{name: ann, secret: change-me-now}", "{name: bob, secret: change-me-now}"),
    at: ["auth.users[1].name"],
    good: [rules("{allow: read, users: any}") + ann, rules("{allow: read}") + ann]
  }
]

const lintText = (text: string, paths: ReadonlyArray<string> | undefined) => {
  const parsed = parseManagerFile(text, "manager.yml", { env: {} })
  if (Either.isLeft(parsed)) throw parsed.left
  const storage = Either.getOrThrow(parseConfigText(text)).value["storage"]
  return lintManagerFile({ auth: parsed.right.auth, storage, paths })
}

describe("manager.yml lint", () => {
  it.each(cases.map((item, index) => [`${item.rule} #${index}`, item] as const))("%s", (_, item) => {
    const of = (text: string) =>
      lintText(text, item.paths)
        .filter(({ rule }) => rule.id === item.rule)
        .map(({ field }) => formatField(field))
    expect(of(item.bad)).toEqual(item.at)
    for (const good of item.good) expect(of(good)).toEqual([])
  })

  it("has a case for every rule, and ids that no other rule has", () => {
    const covered = new Set(cases.map(({ rule }) => rule))
    expect(managerLintRules.map(({ id }) => id).filter((id) => !covered.has(id))).toEqual([])
    const ids = [...lintRules, ...managerLintRules].map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })
})
