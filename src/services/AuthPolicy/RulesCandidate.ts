/**
 * Rules that are not in force, tried on decisions of the log: whose secret was right under those that were in force counts
 * for a user of the same name who has the same secret here.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { AuthDecision, type PlainAuthRequest } from "../AuthPolicy.js"
import type { AuthRulesDocument } from "./AuthRulesDocument.js"
import { ANONYMOUS, type Authenticate, type Identity, WRONG } from "./Identity.js"
import type { Decided, RulesCandidate } from "./RulesInForce.js"
import * as Secret from "./Secret.js"

/** Secrets of a user as texts that are the same for the same secret, however it is written. */
interface Comparable {
  readonly secret: string | undefined
  readonly token: string | undefined
}

const comparable = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  // The document has been decoded, so it parses again.
  const secret = Either.getOrThrowWith(Secret.parse(text), (problem) => new Error(problem))
  return secret._tag === "Digest" ? secret.digest : secret.id
}

const secretsIn = (document: AuthRulesDocument): ReadonlyMap<string, Comparable> =>
  new Map(
    document.users.map(({ name, secret, token }) => [name, { secret: comparable(secret), token: comparable(token) }])
  )

const REPLAYED_WRONG = AuthDecision.Deny({ reason: "the credentials are wrong", proof: WRONG })

/** When the users of the rules in force changed, while they were. */
export interface Changes {
  readonly note: (before: AuthRulesDocument, after: AuthRulesDocument, now: number) => void
  /** When (epoch milliseconds) a user got other secrets, came, or went; 0: not as long as this process knows. */
  readonly of: (user: string) => number
  readonly ofAny: () => number
}

export const makeChanges = (): Changes => {
  const changed = new Map<string, number>()
  let last = 0
  const texts = (document: AuthRulesDocument) =>
    new Map(document.users.map(({ name, secret, token }) => [name, JSON.stringify([secret, token])]))
  return {
    note: (before, after, now) => {
      const one = texts(before)
      const other = texts(after)
      for (const name of new Set([...one.keys(), ...other.keys()])) {
        if (one.get(name) === other.get(name)) continue
        changed.set(name, now)
        last = now
      }
    },
    of: (user) => changed.get(user) ?? 0,
    ofAny: () => last
  }
}

/** `compile` makes rules of the document that take whoever they are told. */
export const make = (
  document: AuthRulesDocument,
  compile: (authenticate: Authenticate) => (request: PlainAuthRequest) => AuthDecision | Effect.Effect<AuthDecision>,
  running: { readonly document: AuthRulesDocument; readonly changes: Changes }
): RulesCandidate => {
  const { changes } = running
  const before = secretsIn(running.document)
  const after = secretsIn(document)
  const tokens = new Map(
    [...after].flatMap(([name, { token }]) => (token === undefined ? [] : [[token, name] as const]))
  )
  const tokensBefore = new Set([...before.values()].map(({ token }) => token))

  const identityOf = (user: string, kind: "secret" | "token"): Identity => ({
    _tag: "Identity",
    user,
    proof: { kind, user }
  })
  const only = (...identities: ReadonlyArray<Identity | AuthDecision>) => ({ identities, why: "" })
  const either = (why: string, ...identities: ReadonlyArray<Identity | AuthDecision>) => ({
    identities: [...identities, REPLAYED_WRONG],
    why
  })

  /** By name and password. */
  const byPassword = ({ at, known, proof, provenUser, user }: Decided) => {
    const fresh = changes.of(user) <= at
    if (!known) {
      // Where it was looked at, it was no name of a user: whoever is new here may be meant.
      const names = [...after.keys()].filter((name) => proof !== "wrong" || !before.has(name))
      return either("the name that was given is not in the log", ...names.map((name) => identityOf(name, "secret")))
    }
    const now = after.get(user)
    if (now === undefined) return only(REPLAYED_WRONG)
    const then = before.get(user)
    const identity = identityOf(user, "secret")
    if (fresh && (proof === "secret" || proof === "token") && provenUser === user) {
      const proven = proof === "secret" ? then?.secret : then?.token
      if (proven !== undefined && (now.secret === proven || now.token === proven)) return only(identity)
      return either(`${JSON.stringify(user)} has another one in the candidate`, identity)
    }
    if (proof === "secret" || proof === "token" || proof === "wrong") {
      if (!fresh) return either(`${JSON.stringify(user)} has another one since`, identity)
      const tried = [then?.secret, then?.token]
      if ([now.secret, now.token].every((one) => one === undefined || tried.includes(one))) return only(REPLAYED_WRONG)
      return either(
        then === undefined
          ? `${JSON.stringify(user)} is new in the candidate`
          : `${JSON.stringify(user)} has another one in the candidate`,
        identity
      )
    }
    return either("it was not looked at", identity)
  }

  /** By a token alone. */
  const byToken = ({ at, known, proof, provenUser, user }: Decided) => {
    const claims = (name: string) => !known || user === "" || user === name
    const owners = (which: (token: string) => boolean) =>
      [...tokens].flatMap(([token, name]) => (claims(name) && which(token) ? [identityOf(name, "token")] : []))
    if (proof === "token" && provenUser !== null && changes.of(provenUser) <= at) {
      const token = before.get(provenUser)?.token
      const owner = token === undefined ? undefined : tokens.get(token)
      if (owner !== undefined) return only(claims(owner) ? identityOf(owner, "token") : REPLAYED_WRONG)
      return after.get(provenUser)?.token === undefined
        ? only(REPLAYED_WRONG)
        : either(`${JSON.stringify(provenUser)} has another one in the candidate`, identityOf(provenUser, "token"))
    }
    if (proof === "wrong" && changes.ofAny() <= at) {
      const found = owners((token) => !tokensBefore.has(token))
      return found.length === 0 ? only(REPLAYED_WRONG) : either("the candidate has tokens that are new", ...found)
    }
    const found = owners(() => true)
    return found.length === 0 ? only(REPLAYED_WRONG) : either("it was not looked at", ...found)
  }

  let asked = false
  let current: Identity | AuthDecision = ANONYMOUS
  const decideAs = compile(() => {
    asked = true
    return current
  })

  return {
    possible: (decided) => {
      if (after.size === 0 || decided.credentials === "none") return only(ANONYMOUS)
      if (decided.credentials === "password") return byPassword(decided)
      if (decided.credentials === "query" && (!document.tokenInQuery || tokens.size === 0)) return only(ANONYMOUS)
      return byToken(decided)
    },
    decide: (request, identity) => {
      asked = false
      current = identity
      const decision = decideAs(request)
      // Only checks of passwords take time, and there are none here.
      return { decision: Effect.isEffect(decision) ? REPLAYED_WRONG : decision, asked }
    }
  }
}
