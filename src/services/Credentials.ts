/**
 * Keys and node tokens.
 *
 * A node's rendered config never holds the shared key, only a token derived from it for that node:
 * `base64url(HMAC-SHA-256(key, "mtx-manager node " + id))`. A stolen node file gives that node's rights and no more.
 *
 * What one node shows to another is not its own token, but one derived for these two:
 * `base64url(HMAC-SHA-256(key, "mtx-manager link " + reader + " " + source))`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as DashboardSessions from "./DashboardSessions.js"
import { equal } from "./internal/equal.js"
import * as KeyRotation from "./KeyRotation.js"
import type { NodeId } from "./NodeId.js"
import { Principal } from "./Principal.js"

export interface CredentialsShape {
  /**
   * The token that stands in this node's config: of the key, or of the key before while the node runs on that. Derived once
   * per node, then remembered.
   */
  readonly nodeToken: (node: NodeId) => Effect.Effect<Redacted.Redacted>
  /**
   * What `reader` shows to `source` when it pulls a stream from it. Derived once, then remembered. `behind`: of the key
   * before.
   */
  readonly linkToken: (reader: NodeId, source: NodeId, behind?: boolean) => Effect.Effect<Redacted.Redacted>
  /** Whether this is what `reader` shows to `source`, by the key or the one before. Compared in constant time. */
  readonly verifyLink: (reader: NodeId, source: NodeId, secret: string) => Effect.Effect<boolean>
  /**
   * Who presents this secret: the admin key, the shared key, or the token of `node` (the node the request says it is).
   * None when it is neither. Compared in constant time.
   */
  readonly verify: (secret: string, node: NodeId | undefined) => Effect.Effect<Option.Option<Principal>>
  /** Whether this is the key that is for metrics alone. Absent: there is none. Compared in constant time. */
  readonly mayScrape?: ((secret: string) => boolean) | undefined
  /** Absent: there is no key before. */
  readonly rotation?: KeyRotation.KeyRotation | undefined
  /** Sessions of the dashboard. Absent: nobody can log in. */
  readonly sessions?: DashboardSessions.DashboardSessionsShape | undefined
}

export class Credentials extends Context.Tag("mtx-manager/Credentials")<Credentials, CredentialsShape>() {}

export interface CredentialsOptions {
  /** The shared key. Does everything when it is the only one. */
  readonly key: Redacted.Redacted
  /**
   * The shared key before this one. It serves nodes only, and goes on to: a node that calls with it, or with a token of it,
   * keeps such a token until it boots. Left out when no node needs it any more.
   */
  readonly previousKey?: Redacted.Redacted | undefined
  /** Splits administration off the shared key. */
  readonly adminKey?: Redacted.Redacted | undefined
  /** May read `/metrics`, and nothing else. */
  readonly metricsKey?: Redacted.Redacted | undefined
  /** Opens the dashboard, and routes that only tell, for people who may look but not touch. */
  readonly viewerKey?: Redacted.Redacted | undefined
}

/** How many derived tokens are remembered. Beyond it the oldest are derived again: a bound against invented node ids. */
const REMEMBERED = 20_000

/** A token, and who presents it: both made once. */
interface Derived {
  readonly token: Redacted.Redacted
  readonly principal: Effect.Effect<Option.Option<Principal>>
}

export { equal } from "./internal/equal.js"

/** What is derived from one key. */
const derivedFrom = (key: string) =>
  Effect.gen(function* () {
    const encoder = new TextEncoder()
    // A key of our own making always fits; importing and signing with HMAC can't fail for any key that is not empty.
    const signer = yield* Effect.promise(() =>
      crypto.subtle.importKey("raw", encoder.encode(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
    )
    const tokens = new Map<NodeId, Derived>()
    /** By reader and source. No id has a space in it. */
    const links = new Map<string, Redacted.Redacted>()

    const sign = (text: string): Effect.Effect<Redacted.Redacted> =>
      Effect.map(
        Effect.promise(() => crypto.subtle.sign("HMAC", signer, encoder.encode(`mtx-manager ${text}`))),
        (digest) => Redacted.make(Encoding.encodeBase64Url(new Uint8Array(digest)))
      )
    const makeRoom = (remembered: Map<string, unknown>): void => {
      if (remembered.size < REMEMBERED) return
      for (const oldest of remembered.keys()) {
        remembered.delete(oldest)
        break
      }
    }

    const derive = Effect.fnUntraced(function* (node: NodeId) {
      const token = yield* sign(`node ${node}`)
      makeRoom(tokens)
      const derived: Derived = { token, principal: Effect.succeedSome(Principal.Node({ node })) }
      tokens.set(node, derived)
      return derived
    })

    return {
      key,
      tokens,
      derive,
      nodeToken: (node: NodeId): Effect.Effect<Redacted.Redacted> => {
        const known = tokens.get(node)
        return known === undefined ? Effect.map(derive(node), ({ token }) => token) : Effect.succeed(known.token)
      },
      linkToken: (reader: NodeId, source: NodeId): Effect.Effect<Redacted.Redacted> => {
        const name = `${reader} ${source}`
        const known = links.get(name)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.tap(sign(`link ${name}`), (token) =>
          Effect.sync(() => {
            makeRoom(links)
            links.set(name, token)
          })
        )
      }
    }
  })

type DerivedFrom = Effect.Effect.Success<ReturnType<typeof derivedFrom>>

const judge = (secret: string, { principal, token }: Derived): Effect.Effect<Option.Option<Principal>> =>
  equal(secret, Redacted.value(token)) ? principal : Effect.succeedNone

/** A known token is judged at once: the hot routes need no fiber then. */
const verifyNode = (from: DerivedFrom, secret: string, node: NodeId): Effect.Effect<Option.Option<Principal>> => {
  const known = from.tokens.get(node)
  return known === undefined
    ? Effect.flatMap(from.derive(node), (derived) => judge(secret, derived))
    : judge(secret, known)
}

export const make = (options: CredentialsOptions): Effect.Effect<CredentialsShape> =>
  Effect.gen(function* () {
    const current = yield* derivedFrom(Redacted.value(options.key))
    const { key } = current
    const before = options.previousKey === undefined ? undefined : Redacted.value(options.previousKey)
    const previous = before === undefined || before === key ? undefined : yield* derivedFrom(before)
    const adminKey = options.adminKey === undefined ? key : Redacted.value(options.adminKey)

    const shows = (from: DerivedFrom, secret: string, node: NodeId): boolean => {
      const token = from.tokens.get(node)?.token
      return equal(secret, from.key) || (token !== undefined && equal(secret, Redacted.value(token)))
    }
    const rotation =
      previous === undefined
        ? undefined
        : KeyRotation.make((secret, node) =>
            shows(previous, secret, node) ? true : shows(current, secret, node) ? false : undefined
          )
    const of = (behind: boolean): DerivedFrom => (behind && previous !== undefined ? previous : current)

    const admin = Effect.succeedSome(Principal.Admin())
    const fleet = Effect.succeedSome(Principal.Fleet())
    const metricsKey = options.metricsKey === undefined ? undefined : Redacted.value(options.metricsKey)

    return {
      sessions: yield* DashboardSessions.make({
        adminKey: options.adminKey ?? options.key,
        viewerKey: options.viewerKey
      }),
      ...(metricsKey !== undefined && { mayScrape: (secret: string) => equal(secret, metricsKey) }),
      rotation,
      nodeToken: (node) => of(rotation?.isBehind(node) === true).nodeToken(node),
      linkToken: (reader, source, behind = false) => of(behind).linkToken(reader, source),
      verifyLink: (reader, source, secret) =>
        Effect.gen(function* () {
          const fits = equal(secret, Redacted.value(yield* current.linkToken(reader, source)))
          if (fits || previous === undefined) return fits
          return equal(secret, Redacted.value(yield* previous.linkToken(reader, source)))
        }),
      verify: (secret, node) => {
        if (equal(secret, adminKey)) return admin
        if (equal(secret, key)) return fleet
        // Whoever has got hold of it is not to administrate with it.
        if (previous !== undefined && equal(secret, previous.key)) return fleet
        if (node === undefined) return Effect.succeedNone
        const found = verifyNode(current, secret, node)
        return previous === undefined
          ? found
          : Effect.flatMap(found, (principal) =>
              Option.isSome(principal) ? Effect.succeed(principal) : verifyNode(previous, secret, node)
            )
      }
    }
  })

export const layer = (options: CredentialsOptions): Layer.Layer<Credentials> => Layer.effect(Credentials, make(options))
