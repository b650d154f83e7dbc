/**
 * What a valid `manager.yml` lays open, or says in vain: rules as rows, in the shape of MediaMTX's own
 * (`mediamtx/ConfigLint`).
 */
import * as Either from "effect/Either"
import type { LintFinding, LintHit, LintRule } from "../../mediamtx/ConfigLint.js"
import { lintWith } from "../../mediamtx/ConfigLint.js"
import { parseIpNetwork } from "../../mediamtx/IpNetwork.js"
import { makePathMatcher } from "../../mediamtx/PathMatch.js"
import type { AuthRule, AuthRulesDocument } from "../../services/AuthPolicy/AuthRulesDocument.js"
import * as PathPattern from "../../services/AuthPolicy/PathPattern.js"

type Rule = typeof AuthRule.Type

export interface ManagerFileSubject {
  readonly auth: AuthRulesDocument
  /** The section as it stands in the file. */
  readonly storage: unknown
  /** The keys of `paths` of all nodes' configs. Undefined: not known. */
  readonly paths: ReadonlyArray<string> | undefined
}

const at = (index: number, ...field: ReadonlyArray<string>): ReadonlyArray<string> => [
  "auth",
  "rules",
  String(index),
  ...field
]

const isEverything = (ip: string): boolean => {
  const network = parseIpNetwork(ip)
  return network !== undefined && network.bits <= (network.family === 4 ? 96 : 0)
}

/** Whether a rule asks neither who it is nor where from. */
const isForEverybody = (rule: Rule): boolean =>
  (rule.users === undefined || rule.users.includes("anonymous")) &&
  (rule.ips === undefined || rule.ips.some(isEverything)) &&
  rule.nodes === undefined

const where = (rule: Rule): string => (rule.paths === undefined ? "" : ` on ${rule.paths.join(", ")}`)

/** Rules that let everybody do one of these. */
const everybodyMay = (...actions: ReadonlyArray<string>) =>
  function* ({ auth }: ManagerFileSubject): Iterable<LintHit> {
    for (const [index, rule] of auth.rules.entries()) {
      if (rule.allow === undefined || !isForEverybody(rule)) continue
      const found = rule.allow.includes("any") ? actions : actions.filter((action) => rule.allow?.includes(action))
      if (found.length > 0) {
        yield {
          field: at(index, "allow"),
          message: `lets everybody ${found.join(", ")}${where(rule)}, without credentials`
        }
      }
    }
  }

const withoutProtocol: ReadonlySet<string> = new Set([
  "playback",
  "api",
  "metrics",
  "pprof",
  "playback.request",
  "playback.worker"
])
const withoutPath: ReadonlySet<string> = new Set(["api", "metrics", "pprof"])

const actionsOf = (rule: Rule): ReadonlyArray<string> => rule.allow ?? rule.deny ?? []

const patternTakes = (pattern: string, path: string): boolean =>
  Either.match(PathPattern.parse(pattern), {
    onLeft: () => false,
    onRight: (parsed) => PathPattern.matches(parsed, path)
  })

const isExact = (pattern: string): boolean => !pattern.startsWith("~") && !pattern.includes("*")

/** Whether each of `these` is in one of `those`, where absent means all. False where it can't be told. */
const within = (
  these: ReadonlyArray<string> | undefined,
  those: ReadonlyArray<string> | undefined,
  holds: (one: string, other: string) => boolean = (one, other) => one === other
): boolean =>
  those === undefined || (these?.every((one) => those.some((other) => one === other || holds(one, other))) ?? false)

const networkIn = (one: string, other: string): boolean => {
  const [inner, outer] = [parseIpNetwork(one), parseIpNetwork(other)]
  if (inner === undefined || outer === undefined || inner.family !== outer.family || inner.bits < outer.bits) {
    return false
  }
  const shift = BigInt(128 - outer.bits)
  return inner.address >> shift === outer.address >> shift
}

/** Whether whatever the rule takes is taken by the other as well. */
const isCovered = (rule: Rule, other: Rule): boolean =>
  (actionsOf(other).includes("any") || actionsOf(rule).every((action) => actionsOf(other).includes(action))) &&
  within(rule.paths, other.paths, (one, pattern) => pattern === "**" || (isExact(one) && patternTakes(pattern, one))) &&
  within(rule.protocols, other.protocols) &&
  within(rule.ips, other.ips, networkIn) &&
  within(rule.users, other.users, (one, name) => name === "any" && one !== "anonymous") &&
  within(rule.nodes, other.nodes, (one, pattern) => !one.includes("*") && patternTakes(pattern, one))

/** Why a rule can never apply, whatever comes. */
const neverBecause = (auth: AuthRulesDocument, rule: Rule): { field: string; message: string } | undefined => {
  const actions = actionsOf(rule)
  if (rule.protocols !== undefined && actions.every((action) => withoutProtocol.has(action))) {
    return { field: "protocols", message: `never matches: ${actions.join(", ")} come without a protocol` }
  }
  if (
    rule.paths !== undefined &&
    actions.every((action) => withoutPath.has(action)) &&
    !rule.paths.some((path) => patternTakes(path, ""))
  ) {
    return { field: "paths", message: `never matches: ${actions.join(", ")} come without a path` }
  }
  if (auth.users.length === 0 && rule.users?.every((name) => name === "any") === true) {
    return { field: "users", message: "never matches: there are no users, so nobody can have authenticated" }
  }
  return undefined
}

const isHashed = (secret: string): boolean => /^(?:sha256|argon2):/.test(secret)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The rules for `manager.yml`. */
export const managerLintRules: ReadonlyArray<LintRule<ManagerFileSubject>> = [
  {
    id: "manager-open-publish",
    severity: "error",
    finds: "A rule lets everybody publish.",
    why: "Strangers put their pictures on your streams, and fill disk and uplink.",
    right: "`users`, or `ips` of the cameras' network",
    check: everybodyMay("publish")
  },
  {
    id: "manager-open-admin",
    severity: "error",
    finds: "A rule lets everybody use MediaMTX's api, metrics or pprof.",
    why: "Whoever reaches the node's API adds paths with commands of their own.",
    right: "`users`, or the addresses of those who need it; `allow: any` only with these",
    check: everybodyMay("api", "pprof", "metrics")
  },
  {
    id: "manager-open-playback",
    severity: "warning",
    finds: "A rule gives recordings to everybody.",
    why: "What is public live is often not meant to be public for weeks.",
    right: "`users`, or the addresses of the workers",
    check: everybodyMay("playback")
  },
  {
    id: "manager-open-read",
    severity: "info",
    finds: "A rule lets everybody watch.",
    why: "Right for public cameras, and only for these.",
    right: "`paths` of what is public, or `users`",
    check: everybodyMay("read")
  },
  {
    id: "manager-plain-secret",
    severity: "warning",
    finds: "A password or token stands in the file as it is.",
    why: "Everybody who can read the file, or a backup of it, can use it.",
    right: "`argon2:$argon2id$...` for passwords; `sha256:BASE64` of a long random token",
    *check({ auth }) {
      for (const [index, user] of auth.users.entries()) {
        for (const field of ["secret", "token"] as const) {
          const value = user[field]
          if (value !== undefined && !isHashed(value)) {
            yield { field: ["auth", "users", String(index), field], message: "is not hashed" }
          }
        }
      }
    }
  },
  {
    id: "manager-fast-hash",
    severity: "info",
    finds: "A password is hashed by SHA-256.",
    why: "Whoever gets the file tries a thousand million passwords a second.",
    right: "argon2 for what people think up; SHA-256 is right for long random texts",
    *check({ auth }) {
      for (const [index, user] of auth.users.entries()) {
        if (user.secret?.startsWith("sha256:") === true) {
          yield { field: ["auth", "users", String(index), "secret"], message: "is a fast hash" }
        }
      }
    }
  },
  {
    id: "manager-plain-storage-secret",
    severity: "warning",
    finds: "The storage's secret key stands in the file.",
    why: "It goes along with every copy of the file, and opens the whole bucket.",
    right: "`MANAGER_S3_SECRET_ACCESS_KEY` in the environment of the server",
    *check({ storage }) {
      if (!isRecord(storage)) return
      for (const name of ["secretAccessKey", "sessionToken"]) {
        if (typeof storage[name] === "string" && storage[name] !== "") {
          yield { field: ["storage", name], message: "stands in the file" }
        }
      }
    }
  },
  {
    id: "manager-token-in-query",
    severity: "info",
    finds: "Tokens may come in the URL.",
    why: "URLs land in the logs of proxies and players.",
    right: "`tokenInQuery: false`, unless browsers' players need it",
    *check({ auth }) {
      if (auth.tokenInQuery && auth.users.some((user) => user.token !== undefined)) {
        yield { field: ["auth", "tokenInQuery"], message: "is on" }
      }
    }
  },
  {
    id: "manager-no-rules",
    severity: "warning",
    finds: "Nothing is allowed to anybody.",
    why: "What no rule allows is denied: nobody publishes or watches.",
    right: "A rule with `allow`",
    *check({ auth }) {
      if (!auth.rules.some((rule) => rule.allow !== undefined)) {
        yield { field: ["auth", "rules"], message: "has nothing that allows" }
      }
    }
  },
  {
    id: "manager-rule-never",
    severity: "warning",
    finds: "A rule can never apply.",
    why: "It reads as if it said something. A deny that never applies leaves open what it was to close.",
    right: "Actions that go with its `protocols`, `paths` and `users`",
    *check({ auth }) {
      for (const [index, rule] of auth.rules.entries()) {
        const found = neverBecause(auth, rule)
        if (found !== undefined) yield { field: at(index, found.field), message: found.message }
      }
    }
  },
  {
    id: "manager-rule-denied",
    severity: "warning",
    finds: "A rule allows what another one denies altogether.",
    why: "A deny wins, wherever it stands: the rule has no effect.",
    right: "A narrower deny, or no such rule",
    *check({ auth }) {
      for (const [index, rule] of auth.rules.entries()) {
        if (rule.allow === undefined) continue
        const by = auth.rules.findIndex((other) => other.deny !== undefined && isCovered(rule, other))
        if (by !== -1) yield { field: at(index), message: `has no effect: rules[${by}] denies all of it` }
      }
    }
  },
  {
    id: "manager-rule-redundant",
    severity: "info",
    finds: "A rule says no more than another one does.",
    why: "Who narrows or removes one of the two expects an effect that the other prevents.",
    right: "One of the two",
    *check({ auth }) {
      for (const [index, rule] of auth.rules.entries()) {
        const by = auth.rules.findIndex(
          (other, position) =>
            other !== rule &&
            (other.allow === undefined) === (rule.allow === undefined) &&
            isCovered(rule, other) &&
            // Of two equal ones the first counts.
            (position < index || !isCovered(other, rule))
        )
        if (by !== -1) yield { field: at(index), message: `adds nothing to rules[${by}]` }
      }
    }
  },
  {
    id: "manager-rule-no-path",
    severity: "warning",
    finds: "A rule is about a path that no node has.",
    why: "Often a misspelt name: the path that was meant has no rule.",
    right: "A name that fits an entry of `paths`",
    *check({ auth, paths }) {
      if (paths === undefined) return
      const find = makePathMatcher(paths)
      for (const [index, rule] of auth.rules.entries()) {
        for (const [position, path] of (rule.paths ?? []).entries()) {
          if (isExact(path) && find(path) === undefined) {
            yield { field: at(index, "paths", String(position)), message: "is a path that no node has" }
          }
        }
      }
    }
  },
  {
    id: "manager-user-without-rule",
    severity: "info",
    finds: "No rule is about a user.",
    why: "The user can log in and do nothing, or was forgotten.",
    right: "A rule with the name or `any` in `users`, or no such user",
    *check({ auth }) {
      const named = new Set(
        auth.rules.filter((rule) => rule.allow !== undefined).flatMap((rule) => rule.users ?? ["any"])
      )
      if (named.has("any")) return
      for (const [index, user] of auth.users.entries()) {
        if (!named.has(user.name)) yield { field: ["auth", "users", String(index), "name"], message: "is in no rule" }
      }
    }
  }
]

/** What a valid `manager.yml` lays open, or says in vain. */
export const lintManagerFile = (subject: ManagerFileSubject): ReadonlyArray<LintFinding> =>
  lintWith(managerLintRules, subject)
