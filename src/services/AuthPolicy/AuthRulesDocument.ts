/**
 * The document of declarative auth rules, as it stands in `manager.yml` under `auth:`.
 *
 * ```yaml
 * auth:
 *   users:
 *     - name: alice
 *       secret: argon2:$argon2id$v=19$m=19456,t=2,p=1$...$...
 *     - name: wall-display
 *       token: sha256:...
 *   rules:
 *     - name: cameras
 *       allow: publish
 *       paths: cams/*
 *       protocols: [rtsp, srt]
 *       ips: 10.0.0.0/8
 *     - allow: [read, playback]
 *       paths: [cams/*, "~^live/.+$"]
 *       users: [alice, wall-display]
 *     - deny: any
 *       ips: 10.6.6.0/24
 * ```
 *
 * A list of one may be written without brackets. Keys that are not known are errors.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { AuthAction, AuthProtocol } from "../../mediamtx/AuthRequest.js"
import { ConfigIssue, formatIssue, makeIssue } from "../../mediamtx/ConfigIssue.js"
import { didYouMean } from "../../mediamtx/DidYouMean.js"
import { parseIpNetwork } from "../../mediamtx/IpNetwork.js"
import { unknownKeys } from "../../mediamtx/UnknownKeys.js"
import * as PathPattern from "./PathPattern.js"
import * as Secret from "./Secret.js"

const actions: ReadonlyArray<string> = ["any", ...AuthAction.literals]
const protocols: ReadonlyArray<string> = AuthProtocol.literals.filter((protocol) => protocol !== "")

/** What would be right, by the name of the field. */
const expectations: Readonly<Record<string, string>> = {
  users: "a list of users, or in a rule a list of their names, any (whoever has authenticated) or anonymous",
  rules: "a list of rules",
  tokenInQuery: "true or false",
  name: "a text of 1 to 64 characters, for example alice",
  secret: "a password, sha256:BASE64, or argon2:$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH",
  token: "a long random token, or sha256:BASE64 of it",
  allow: `a list of actions: ${actions.join(", ")}`,
  deny: `a list of actions: ${actions.join(", ")}`,
  paths: 'a list of paths (cams/front), globs (cams/*, cams/**) or regular expressions ("~^live/.+$")',
  protocols: `a list of protocols: ${protocols.join(", ")}`,
  ips: "a list of IP addresses or networks, for example 10.0.0.0/8 or ::1",
  nodes: "a list of node ids, in which * stands for any text, for example eu-*"
}

/** Says of what type a value is, never the value: it may be a secret. */
const kind = (value: unknown): string => {
  if (value === null || value === undefined) return "empty"
  if (typeof value === "number" || typeof value === "boolean")
    return `a ${typeof value}; put it in quotes if it is meant as text`
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "a mapping" : `a ${typeof value}`
}

const text = (check: (value: string) => string | undefined) => Schema.String.pipe(Schema.filter(check))

/** The empty list would match nothing, though it reads as if it left the matter open. */
const list = <A>(item: Schema.Schema<A, string>) =>
  Schema.Array(item).pipe(
    Schema.filter((items) =>
      items.length > 0 ? undefined : "is an empty list, which matches nothing; leave the field out to match everything"
    )
  )

const oneOf = (what: string, known: ReadonlyArray<string>) => (value: string) => {
  if (known.includes(value)) return undefined
  const near = didYouMean(value, known)
  return `${JSON.stringify(value.slice(0, 60))} is no ${what}${near === undefined ? "" : `; did you mean ${near}?`}`
}

const named = (value: string) =>
  value.length >= 1 && value.length <= 64 ? undefined : `has ${value.length} characters`

const Name = text((value) => {
  if (value === "any" || value === "anonymous") return `${value} has a meaning of its own in rules`
  return named(value)
})

const problemOf = (parsed: Either.Either<unknown, string>): string | undefined =>
  Either.isLeft(parsed) ? parsed.left : undefined

/**
 * Someone who can prove who they are.
 *
 * @since 0.1.0
 * @category models
 */
export const AuthUser = Schema.Struct({
  /** What clients give as user name. Required. `any` and `anonymous` are taken. */
  name: Schema.propertySignature(Name).annotations({ missingMessage: () => "is missing" }),
  /** The password: plain, `sha256:BASE64` or `argon2:PHC`. Default: none, so nobody logs in with this name and a password. */
  secret: Schema.optionalWith(
    text((value) => problemOf(Secret.parse(value))),
    { exact: true }
  ),
  /**
   * A bearer token: plain or `sha256:BASE64` (argon2 is refused: a token is looked up, not tried on every user). It also
   * works as the password, with this name or with none, for players that know only user and password. Default: none.
   */
  token: Schema.optionalWith(
    text((value) =>
      value.startsWith("argon2:") || value.startsWith("$argon2")
        ? "is an argon2 hash, which would have to be tried for every user"
        : problemOf(Secret.parse(value))
    ),
    { exact: true }
  )
}).annotations({ identifier: "AuthUser" })

/**
 * One rule: applies when everything that it names matches. What it doesn't name matches anything.
 *
 * @since 0.1.0
 * @category models
 */
export const AuthRule = Schema.Struct({
  /** Shown in decisions beside the position. Default: none. */
  name: Schema.optionalWith(text(named), { exact: true }),
  /** The actions it allows. Either this or `deny`. */
  allow: Schema.optionalWith(list(text(oneOf("action", actions))), { exact: true }),
  /** The actions it denies: wins over every rule that allows, wherever it stands. */
  deny: Schema.optionalWith(list(text(oneOf("action", actions))), { exact: true }),
  /** Paths, see {@link PathPattern}. Default: any. The actions api, metrics and pprof have the empty path. */
  paths: Schema.optionalWith(list(text((value) => problemOf(PathPattern.parse(value)))), { exact: true }),
  /** Default: any, including the actions without a protocol (playback, api, metrics, pprof). */
  protocols: Schema.optionalWith(list(text(oneOf("protocol", protocols))), { exact: true }),
  /** Addresses and networks of the client. Default: any. */
  ips: Schema.optionalWith(
    list(
      text((value) =>
        parseIpNetwork(value) === undefined
          ? `${JSON.stringify(value.slice(0, 60))} is no IP address or network${value === "localhost" ? "; write 127.0.0.1 and ::1" : ""}`
          : undefined
      )
    ),
    { exact: true }
  ),
  /** User names, `any` (whoever has authenticated) or `anonymous` (no credentials given). Default: everyone. */
  users: Schema.optionalWith(list(text(named)), { exact: true }),
  /** Ids of the asking nodes, `*` standing for any text. Default: any, and the manager itself. */
  nodes: Schema.optionalWith(
    list(
      text((value) =>
        /^[A-Za-z0-9._*-]{1,64}$/.test(value)
          ? undefined
          : `${JSON.stringify(value.slice(0, 60))} can't match a node id`
      )
    ),
    { exact: true }
  )
})
  .pipe(
    Schema.filter((rule) => {
      if (rule.allow === undefined && rule.deny === undefined)
        return { path: [], message: "has neither allow nor deny" }
      if (rule.allow !== undefined && rule.deny !== undefined) {
        return { path: ["deny"], message: "stands beside allow; make two rules of it" }
      }
      return undefined
    })
  )
  .annotations({ identifier: "AuthRule" })

/**
 * @since 0.1.0
 * @category models
 */
export const AuthRulesDocument = Schema.Struct({
  /** Who can authenticate. Default: nobody; credentials are then not looked at. */
  users: Schema.optionalWith(Schema.Array(AuthUser), { default: () => [], exact: true }),
  /** Default: none, which denies everything. */
  rules: Schema.optionalWith(Schema.Array(AuthRule), { default: () => [], exact: true }),
  /**
   * Whether a client that gives no other credentials may give its token as `?token=` (or `?jwt=`) in the URL. MediaMTX
   * itself takes it there for RTSP and RTMP whatever stands here. Default: true, as browsers' players can't send headers.
   */
  tokenInQuery: Schema.optionalWith(Schema.Boolean, {
    default: () => true,
    exact: true
  })
})
  .pipe(
    Schema.filter(({ users, rules }) => {
      const issues: Array<Schema.FilterIssue> = []
      const names = new Set<string>()
      for (const [index, user] of users.entries()) {
        if (names.has(user.name))
          issues.push({ path: ["users", index, "name"], message: `${user.name} is there twice` })
        names.add(user.name)
        if (user.secret === undefined && user.token === undefined) {
          issues.push({ path: ["users", index, "secret"], message: "is missing, and there is no token either" })
        }
      }
      for (const [index, rule] of rules.entries()) {
        for (const [position, name] of (rule.users ?? []).entries()) {
          if (name === "any" || name === "anonymous" || names.has(name)) continue
          const near = didYouMean(name, [...names, "any", "anonymous"])
          issues.push({
            path: ["rules", index, "users", position],
            message: `there is no user ${JSON.stringify(name)}${near === undefined ? "" : `; did you mean ${near}?`}`
          })
        }
      }
      return issues
    })
  )
  .annotations({ identifier: "AuthRulesDocument" })

/**
 * @since 0.1.0
 * @category models
 */
export type AuthRulesDocument = typeof AuthRulesDocument.Type

/**
 * What may be written in code: as in YAML, but a list is a list.
 *
 * @since 0.1.0
 * @category models
 */
export type AuthRulesInput = typeof AuthRulesDocument.Encoded

/**
 * The rules can't be used. Holds every finding, each with its place, what is wrong and what would be right; no secrets.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidAuthRules extends Schema.TaggedError<InvalidAuthRules>()("InvalidAuthRules", {
  issues: Schema.Array(ConfigIssue)
}) {
  override get message(): string {
    return ["the auth rules are invalid:", ...this.issues.map((issue) => `  ${formatIssue(issue)}`)].join("\n")
  }
}

const keys = {
  document: Object.keys(AuthRulesDocument.from.fields),
  user: Object.keys(AuthUser.fields),
  rule: Object.keys(AuthRule.from.fields)
}
const lists: ReadonlySet<string> = new Set(["allow", "deny", "paths", "protocols", "ips", "users", "nodes"])

const valueAt = (value: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>((at, key) => (Predicate.hasProperty(at, key) ? at[key] : undefined), value)

/** Schema's own messages print the value, which may be a secret. Ours never start so. */
const isOwnMessage = (message: string): boolean => !message.startsWith("Expected ")

const decodeDocument = Schema.decodeUnknownEither(AuthRulesDocument, { errors: "all" })

/**
 * Reads and checks a document. `at` is where it stands in its file, for the findings. Null is the empty document.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (
  input: unknown,
  at: ReadonlyArray<string> = ["auth"]
): Either.Either<AuthRulesDocument, InvalidAuthRules> => {
  const issues: Array<ConfigIssue> = []

  /** Finds unknown keys, drops keys without a value, and makes lists of the scalars that stand for lists of one. */
  const tidy = (
    value: unknown,
    known: ReadonlyArray<string>,
    field: ReadonlyArray<string>,
    listed: boolean
  ): unknown => {
    if (!Predicate.isRecord(value)) return value
    issues.push(...unknownKeys(value, known, field))
    const out: Record<string, unknown> = {}
    for (const [key, entry] of Object.entries(value)) {
      if (known.includes(key) && entry !== undefined) {
        out[key] = listed && lists.has(key) && typeof entry === "string" ? [entry] : entry
      }
    }
    return out
  }
  const tidyAll = (
    value: unknown,
    known: ReadonlyArray<string>,
    field: ReadonlyArray<string>,
    listed: boolean
  ): unknown =>
    Array.isArray(value) ? value.map((item, index) => tidy(item, known, [...field, String(index)], listed)) : value

  const document = tidy(input ?? {}, keys.document, at, false)
  if (Predicate.isRecord(document)) {
    if ("users" in document) document["users"] = tidyAll(document["users"], keys.user, [...at, "users"], false)
    if ("rules" in document) document["rules"] = tidyAll(document["rules"], keys.rule, [...at, "rules"], true)
  }

  const decoded = decodeDocument(document)
  if (Either.isLeft(decoded)) {
    for (const issue of ParseResult.ArrayFormatter.formatErrorSync(decoded.left)) {
      const path = issue.path.map(String)
      const name = path.findLast((segment) => segment in expectations)
      const isRule = path.length === 2 && path[0] === "rules"
      const isUser = path.length === 2 && path[0] === "users"
      issues.push(
        makeIssue({
          severity: "error",
          rule: "invalid-auth-rules",
          field: [...at, ...path],
          message: isOwnMessage(issue.message) ? issue.message : `is ${kind(valueAt(document, issue.path))}`,
          expected: isRule
            ? "a rule: either allow or deny with a list of actions, and what it is limited to"
            : isUser
              ? "a user: a name and a secret or token"
              : ((name === undefined ? undefined : expectations[name]) ?? "a mapping with users and rules")
        })
      )
    }
    return Either.left(new InvalidAuthRules({ issues }))
  }
  return issues.length > 0 ? Either.left(new InvalidAuthRules({ issues })) : Either.right(decoded.right)
}
