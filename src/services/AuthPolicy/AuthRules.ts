/**
 * Declarative auth rules: who may do what, where, from where.
 *
 * - A rule that denies wins over every rule that allows, in whatever order they stand; what no rule allows is denied.
 * - Credentials that are given must be right, even where none are needed. (A document without users doesn't look at them.)
 * - Without credentials, where some user would be allowed and the protocol can prompt, the client is asked for them.
 * - The reason names the rule, or what came nearest: `rules[2] "cameras" would allow publish on "cams/x", but not over rtmp`.
 *
 * Rules are compiled into an index by action and path, and what a path finds there is remembered. On one core of a small
 * server, with 10 rules or 1,000: 0.5 to 1 µs without credentials, 1 to 2 µs with a token or a plain or sha256 password,
 * 3 µs with an argon2 password that was right before; a path never seen costs 60 µs once with 1,000 rules. The first
 * argon2 check costs what the hash says: 60 ms for hashSecret's (19 MiB, t=2), 300 to 600 ms for 64 MiB, t=3, p=4.
 *
 * A wrong password costs one hash whether the user exists or not (users whose hashes have different parameters can still be
 * told apart by time: use the same for all).
 *
 * @example
 * ```ts
 * const AuthLive = AuthRules.layer({
 *   users: [{ name: "alice", secret: "sha256:..." }],
 *   rules: [
 *     { allow: ["read"], paths: ["public/**"] },
 *     { allow: ["any"], users: ["alice"] },
 *     { deny: ["any"], ips: ["10.6.6.0/24"] }
 *   ]
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { AuthAction, canPrompt } from "../../mediamtx/AuthRequest.js"
import { makeIssue } from "../../mediamtx/ConfigIssue.js"
import { parseIpNetwork } from "../../mediamtx/IpNetwork.js"
import { tokenInQuery } from "../../mediamtx/QueryString.js"
import {
  AuthDecision,
  type AuthPolicy,
  layerEffect,
  makeUnsafe,
  type PlainAuthRequest,
  type Policy,
  type Proof,
  type RuleReference
} from "../AuthPolicy.js"
import { equal } from "../Credentials.js"
import { rememberedByPath } from "../internal/rememberedByPath.js"
import { Argon2, type Argon2Hash } from "./Argon2.js"
import { type AuthRulesDocument, type AuthRulesInput, decode, InvalidAuthRules } from "./AuthRulesDocument.js"
import { ANONYMOUS, type Authenticate, type Identity, UNCHECKED, WRONG } from "./Identity.js"
import * as IpSet from "./IpSet.js"
import * as PasswordCheck from "./PasswordCheck.js"
import * as PathPattern from "./PathPattern.js"
import * as RulesCandidate from "./RulesCandidate.js"
import * as Secret from "./Secret.js"
import { undecided } from "./Undecided.js"

/** Whom a rule is for. */
type Audience =
  | { readonly _tag: "Everyone" }
  | {
      readonly _tag: "Some"
      readonly anonymous: boolean
      readonly authenticated: boolean
      readonly names: ReadonlySet<string>
    }

interface Rule {
  readonly index: number
  readonly label: string
  readonly reference: RuleReference
  readonly denies: boolean
  readonly protocols: ReadonlySet<string> | undefined
  readonly ips: IpSet.IpSet | undefined
  readonly audience: Audience
  readonly nodes: ((node: string) => boolean) | undefined
}

interface User {
  readonly name: string
  readonly secret: Secret.Secret | undefined
  /** Of the token. */
  readonly digest: string | undefined
  readonly wrong: Proof
}

/** The document has been decoded, so whatever is parsed from it parses again. */
const sure = <A>(parsed: Either.Either<A, string>): A => Either.getOrThrowWith(parsed, (problem) => new Error(problem))

/** Text of a request for a reason: quoted, so that it can't forge log lines, and not endless. */
const quote = (text: string): string => {
  if (text.length > 120) return JSON.stringify(`${text.slice(0, 120)}…`)
  // What stays the same inside quotes, which most names do.
  return /^[\w./ -]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}

const what = (request: PlainAuthRequest): string =>
  request.path === "" ? request.action : `${request.action} on ${quote(request.path)}`

const audienceOf = (users: ReadonlyArray<string> | undefined): Audience =>
  users === undefined
    ? { _tag: "Everyone" }
    : {
        _tag: "Some",
        anonymous: users.includes("anonymous"),
        authenticated: users.includes("any"),
        names: new Set(users.filter((name) => name !== "any" && name !== "anonymous"))
      }

const includes = (audience: Audience, { user }: Pick<Identity, "user">): boolean => {
  if (audience._tag === "Everyone") return true
  return user === undefined ? audience.anonymous : audience.authenticated || audience.names.has(user)
}

/** Node ids have no slash, so one star is enough to stand for any text. */
const nodesOf = (patterns: ReadonlyArray<string>): ((node: string) => boolean) => {
  const compiled = patterns.map((pattern) => sure(PathPattern.parse(pattern)))
  return (node) => compiled.some((pattern) => PathPattern.matches(pattern, node))
}

/** The rules of one action, findable by path. */
const makeIndex = () => {
  const always: Array<Rule> = []
  const exact = new Map<string, Array<Rule>>()
  const patterns: Array<{ readonly rule: Rule; readonly matches: (path: string) => boolean }> = []

  const search = (path: string): ReadonlyArray<Rule> => {
    const found = new Set(always)
    for (const rule of exact.get(path) ?? []) found.add(rule)
    for (const { rule, matches } of patterns) if (!found.has(rule) && matches(path)) found.add(rule)
    // Denials first, for the first one ends the search; then the order of the document, so that reasons are predictable.
    return [...found].sort((a, b) => Number(b.denies) - Number(a.denies) || a.index - b.index)
  }
  return {
    add: (rule: Rule, paths: ReadonlyArray<string> | undefined): void => {
      if (paths === undefined) always.push(rule)
      for (const text of paths ?? []) {
        const pattern = sure(PathPattern.parse(text))
        if (pattern._tag === "Pattern") patterns.push({ rule, matches: pattern.matches })
        else {
          const rules = exact.get(pattern.path)
          if (rules === undefined) exact.set(pattern.path, [rule])
          else rules.push(rule)
        }
      }
    },
    find: rememberedByPath(search)
  }
}

/** Why a rule of this action and path doesn't apply, or undefined when it does. */
const obstacle = (rule: Rule, request: PlainAuthRequest, address: IpSet.Address): string | undefined => {
  if (rule.protocols !== undefined && !rule.protocols.has(request.protocol)) {
    return request.protocol === "" ? "without a protocol" : `over ${request.protocol}`
  }
  if (rule.ips !== undefined && !rule.ips.has(address)) return `from ${quote(request.ip)}`
  if (rule.nodes !== undefined && (request.node === undefined || !rule.nodes(request.node))) {
    return request.node === undefined ? "without a node" : `on node ${request.node}`
  }
  return undefined
}

const NO_TOKEN = AuthDecision.Deny({ reason: "no user has this token", proof: WRONG })
const BUSY = undecided(AuthDecision.Deny({ reason: "too many passwords are being checked", proof: UNCHECKED }))
const NO_ARGON2 = undecided(
  AuthDecision.Deny({ reason: "the password's argon2 hash can't be checked here", proof: UNCHECKED })
)

const makeAuthenticate = (document: AuthRulesDocument, passwords: PasswordCheck.PasswordCheck): Authenticate => {
  const users = new Map<string, User>()
  const tokens = new Map<string, Identity>()
  /** By name; and the same users, known by their token. */
  const identities = new Map<string, Identity>()
  const byTokens = new Map<string, Identity>()
  let slowest: Argon2Hash | undefined
  for (const { name, secret: secretText, token: tokenText } of document.users) {
    const identity: Identity = { _tag: "Identity", user: name, proof: { kind: "secret", user: name } }
    const withToken: Identity = { ...identity, proof: { kind: "token", user: name } }
    const secret = secretText === undefined ? undefined : sure(Secret.parse(secretText))
    const token = tokenText === undefined ? undefined : sure(Secret.parse(tokenText))
    const digest = token?._tag === "Digest" ? token.digest : undefined
    if (digest !== undefined) tokens.set(digest, withToken)
    if (secret?._tag === "Argon2") {
      const { argon2 } = secret
      if (slowest === undefined || argon2.memory * argon2.time > slowest.memory * slowest.time) slowest = argon2
    }
    users.set(name, { name, secret, digest, wrong: { kind: "wrong", user: name } })
    identities.set(name, identity)
    byTokens.set(name, withToken)
  }

  // What a password is compared with where there is nothing to compare it with, so that this takes as long. Nothing gives
  // random digests.
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  const nobodysDigest = Encoding.encodeBase64(random(32))
  const nobodysHash = slowest === undefined ? undefined : { ...slowest, hash: random(slowest.length) }

  const wrong = (request: PlainAuthRequest, user: User | undefined): AuthDecision => {
    if (user !== undefined) {
      return AuthDecision.Deny({ reason: `wrong password for user ${quote(user.name)}`, proof: user.wrong })
    }
    // Some put their token or password where the name belongs.
    const { password } = request
    return AuthDecision.Deny({
      reason:
        password === "" || request.user.includes(password) ? "unknown user" : `unknown user ${quote(request.user)}`,
      proof: WRONG
    })
  }

  const slowly = (
    id: string,
    hash: Argon2Hash,
    request: PlainAuthRequest,
    identity: Identity | undefined,
    denial: AuthDecision
  ): Identity | AuthDecision | Effect.Effect<Identity | AuthDecision> => {
    const outcome = (right: boolean) => (right && identity !== undefined ? identity : denial)
    const remembered = passwords.remembered(id, request.password)
    if (remembered !== undefined) return outcome(remembered)
    return passwords.verify(id, hash, Redacted.make(request.password)).pipe(
      Effect.map(outcome),
      Effect.catchTags({
        TooManyChecks: () => Effect.succeed(BUSY),
        Argon2Unavailable: (error) => Effect.as(Effect.logWarning(error.message), NO_ARGON2)
      })
    )
  }

  const byPassword = (request: PlainAuthRequest): Identity | AuthDecision | Effect.Effect<Identity | AuthDecision> => {
    const user = users.get(request.user)
    const secret = user?.secret
    const identity = identities.get(request.user)
    // The same two comparisons whoever it is.
    const digest = Secret.digest(request.password)
    const isSecret = equal(digest, secret?._tag === "Digest" ? secret.digest : nobodysDigest)
    const isToken = equal(digest, user?.digest ?? nobodysDigest)
    if (identity !== undefined && (isSecret || isToken))
      return isSecret ? identity : (byTokens.get(request.user) ?? identity)
    const denial = wrong(request, user)
    if (secret?._tag === "Argon2") return slowly(secret.id, secret.argon2, request, identity, denial)
    return nobodysHash === undefined
      ? denial
      : slowly(`nobody:${request.user}`, nobodysHash, request, undefined, denial)
  }

  const byToken = (token: string, user: string): Identity | AuthDecision => {
    // Looked up by digest: how long it takes tells nothing that helps to guess a token.
    const identity = tokens.get(Secret.digest(token))
    return identity !== undefined && (user === "" || user === identity.user) ? identity : NO_TOKEN
  }

  return (request) => {
    if (users.size === 0) return ANONYMOUS
    const { password, query, token } = request
    if (request.user !== "" && (password !== "" || token === "")) return byPassword(request)
    if (token !== "") return byToken(token, request.user)
    if (password !== "") return byToken(password, "")
    if (document.tokenInQuery && tokens.size > 0) {
      const inQuery = tokenInQuery(query)
      if (inQuery !== "") return byToken(inQuery, "")
    }
    return ANONYMOUS
  }
}

/**
 * The policy of a decoded document. `passwords` outlives the document, so that a change of the rules doesn't forget which
 * passwords are right.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compile = (document: AuthRulesDocument, passwords: PasswordCheck.PasswordCheck): Policy =>
  makeUnsafe(decider(document, makeAuthenticate(document, passwords)))

/** Decides with whoever `authenticate` says it is. `at` is where the document stands. */
const decider = (
  document: AuthRulesDocument,
  authenticate: Authenticate,
  at: ReadonlyArray<string> = ["auth"]
): ((request: PlainAuthRequest) => AuthDecision | Effect.Effect<AuthDecision>) => {
  const names = document.users.map(({ name }) => name)

  const indexes = new Map(AuthAction.literals.map((action) => [action, makeIndex()]))
  for (const [index, rule] of document.rules.entries()) {
    const compiled: Rule = {
      index,
      label: rule.name === undefined ? `rules[${index}]` : `rules[${index}] ${quote(rule.name)}`,
      reference: { index, name: rule.name ?? null, place: [...at, `rules[${index}]`].join(".") },
      denies: rule.deny !== undefined,
      protocols: rule.protocols === undefined ? undefined : new Set(rule.protocols),
      ips: rule.ips === undefined ? undefined : IpSet.make(rule.ips.flatMap((text) => parseIpNetwork(text) ?? [])),
      audience: audienceOf(rule.users),
      nodes: rule.nodes === undefined ? undefined : nodesOf(rule.nodes)
    }
    const named = rule.deny ?? rule.allow ?? []
    for (const action of AuthAction.literals) {
      if (named.includes(action) || named.includes("any")) indexes.get(action)?.add(compiled, rule.paths)
    }
  }

  /** Whether some user would be allowed by these rules. */
  const someoneCould = (rules: ReadonlyArray<Rule>): boolean => {
    const denied = rules.filter((rule) => rule.denies)
    const allowed = rules.filter((rule) => !rule.denies)
    const takes = (audience: Audience, name: string) => includes(audience, { user: name })
    return names.some(
      (name) =>
        allowed.some(({ audience }) => takes(audience, name)) && !denied.some(({ audience }) => takes(audience, name))
    )
  }

  /** The last step, when it is known who asks. `rules` all apply apart from their audience, denials first. */
  const settle = (request: PlainAuthRequest, rules: ReadonlyArray<Rule>, identity: Identity): AuthDecision => {
    const who = identity.user === undefined ? "without credentials" : `for user ${quote(identity.user)}`
    let denial: Rule | undefined
    for (const rule of rules) {
      if (!includes(rule.audience, identity)) continue
      if (!rule.denies) {
        return AuthDecision.Allow({
          reason: `${rule.label} allows ${what(request)} ${who}`,
          rule: rule.reference,
          proof: identity.proof
        })
      }
      denial = rule
      break
    }
    if (identity.user === undefined && someoneCould(rules)) {
      return canPrompt(request.protocol)
        ? AuthDecision.Ask({ reason: `${what(request)} needs credentials`, rule: undefined, proof: identity.proof })
        : AuthDecision.Deny({
            reason: `${what(request)} needs credentials, which ${request.protocol} can't ask for`,
            rule: undefined,
            proof: identity.proof
          })
    }
    return AuthDecision.Deny({
      reason:
        denial === undefined
          ? `no rule allows ${what(request)} ${who}`
          : `${denial.label} denies ${what(request)} ${who}`,
      rule: denial?.reference,
      proof: identity.proof
    })
  }

  return (request: PlainAuthRequest): AuthDecision | Effect.Effect<AuthDecision> => {
    const rules: Array<Rule> = []
    let allows = false
    let missed: string | undefined
    let address: IpSet.Address
    let addressRead = false
    for (const rule of indexes.get(request.action)?.find(request.path) ?? []) {
      if (rule.ips !== undefined && !addressRead) {
        address = IpSet.read(request.ip)
        addressRead = true
      }
      const problem = obstacle(rule, request, address)
      if (problem === undefined) {
        // Nobody's password can change this, so nobody's is checked.
        if (rule.denies && rule.audience._tag === "Everyone") {
          return AuthDecision.Deny({
            reason: `${rule.label} denies ${what(request)}`,
            rule: rule.reference,
            proof: UNCHECKED
          })
        }
        rules.push(rule)
        allows ||= !rule.denies
      } else if (!rule.denies) missed ??= `${rule.label} would allow ${what(request)}, but not ${problem}`
    }
    if (!allows) {
      return AuthDecision.Deny({
        reason: missed ?? `no rule allows ${what(request)}`,
        rule: undefined,
        proof: UNCHECKED
      })
    }

    const found = authenticate(request)
    if (Effect.isEffect(found)) {
      return Effect.map(found, (late) => (late._tag === "Identity" ? settle(request, rules, late) : late))
    }
    return found._tag === "Identity" ? settle(request, rules, found) : found
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AuthRulesOptions extends PasswordCheck.PasswordCheckOptions {
  /** Where the document stands in its file, for the findings. Default: `["auth"]`. */
  readonly at?: ReadonlyArray<string> | undefined
}

/** Finds out when the rules are loaded, rather than when someone logs in, that hashes can't be computed. */
const probe = (document: AuthRulesDocument, at: ReadonlyArray<string>): Effect.Effect<void, InvalidAuthRules> => {
  const position = document.users.findIndex(({ secret }) => secret?.startsWith("argon2:") === true)
  if (position === -1) return Effect.void
  return Effect.gen(function* () {
    const argon2 = yield* Argon2
    yield* argon2.hash({
      variant: "argon2id",
      memory: 8,
      time: 1,
      lanes: 1,
      length: 16,
      salt: new Uint8Array(16),
      password: Redacted.make("probe")
    })
  }).pipe(
    Effect.mapError(
      (error) =>
        new InvalidAuthRules({
          issues: [
            makeIssue({
              severity: "error",
              rule: "argon2-unavailable",
              field: [...at, "users", String(position), "secret"],
              message: error.message,
              expected: "a sha256: secret that is long and random, or a layer of Argon2 for this runtime"
            })
          ]
        })
    )
  )
}

/**
 * Rules that can be replaced while they are in use.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplaceableAuthRules {
  readonly policy: Policy
  /** Puts another document in force for all requests to come, or fails and leaves the last good one. */
  readonly replace: (input: unknown) => Effect.Effect<void, InvalidAuthRules>
}

/**
 * A policy whose document can be replaced, for a file that is watched. Passwords known to be right stay known.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeReplaceable = (
  input: unknown,
  options: AuthRulesOptions = {}
): Effect.Effect<ReplaceableAuthRules, InvalidAuthRules, Scope.Scope> =>
  Effect.gen(function* () {
    const at = options.at ?? ["auth"]
    const argon2 = yield* Argon2
    const passwords = yield* PasswordCheck.make(options)
    const clock = yield* Effect.clock
    const check = (next: unknown, stands: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const document = yield* decode(next, stands)
        yield* probe(document, stands)
        return document
      }).pipe(Effect.provideService(Argon2, argon2))
    const compiled = (document: AuthRulesDocument) => decider(document, makeAuthenticate(document, passwords), at)
    let document = yield* check(input, at)
    let current = compiled(document)
    const changes = RulesCandidate.makeChanges()
    return {
      policy: {
        ...makeUnsafe((request) => current(request)),
        rules: {
          candidate: (next, stands = at) =>
            Effect.map(check(next, stands), (other) =>
              RulesCandidate.make(other, (authenticate) => decider(other, authenticate, at), {
                document,
                changes
              })
            )
        }
      },
      replace: (next) =>
        Effect.map(check(next, at), (after) => {
          changes.note(document, after, clock.unsafeCurrentTimeMillis())
          current = compiled(after)
          document = after
        })
    }
  })

/**
 * The policy of a document, see {@link AuthRulesDocument}. It holds the password checks of its scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  input: AuthRulesInput,
  options: AuthRulesOptions = {}
): Effect.Effect<Policy, InvalidAuthRules, Scope.Scope> => fromUnknown(input, options)

/**
 * The same for a document of unknown origin, such as a parsed YAML file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUnknown = (
  input: unknown,
  options: AuthRulesOptions = {}
): Effect.Effect<Policy, InvalidAuthRules, Scope.Scope> =>
  Effect.map(makeReplaceable(input, options), ({ policy }) => policy)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  input: AuthRulesInput,
  options: AuthRulesOptions = {}
): Layer.Layer<AuthPolicy, InvalidAuthRules> => layerEffect(make(input, options))

/**
 * @since 0.1.0
 * @category layers
 */
export const layerUnknown = (
  input: unknown,
  options: AuthRulesOptions = {}
): Layer.Layer<AuthPolicy, InvalidAuthRules> => layerEffect(fromUnknown(input, options))
