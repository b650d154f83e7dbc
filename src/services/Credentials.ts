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
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as DashboardSessions from "./DashboardSessions.js"
import { equal } from "./internal/equal.js"
import type { NodeId } from "./NodeId.js"
import { Principal } from "./Principal.js"

export interface CredentialsShape {
  /** The token that stands in this node's config. Derived once per node, then remembered. */
  readonly nodeToken: (node: NodeId) => Effect.Effect<Redacted.Redacted>
  /** What `reader` shows to `source` when it pulls a stream from it. Derived once, then remembered. */
  readonly linkToken: (reader: NodeId, source: NodeId) => Effect.Effect<Redacted.Redacted>
  /**
   * Who presents this secret: the admin key, the shared key, or the token of `node` (the node the request says it is).
   * None when it is neither. Compared in constant time.
   */
  readonly verify: (secret: string, node: NodeId | undefined) => Effect.Effect<Option.Option<Principal>>
  /** Whether this is the key that is for metrics alone. Absent: there is none. Compared in constant time. */
  readonly mayScrape?: ((secret: string) => boolean) | undefined
  /** Sessions of the dashboard. Absent: nobody can log in. */
  readonly sessions?: DashboardSessions.DashboardSessionsShape | undefined
}

export class Credentials extends Context.Tag("mtx-manager/Credentials")<Credentials, CredentialsShape>() {}

export interface CredentialsOptions {
  /** The shared key. Does everything when it is the only one. */
  readonly key: Redacted.Redacted
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

export const make = (options: CredentialsOptions): Effect.Effect<CredentialsShape> =>
  Effect.gen(function* () {
    const encoder = new TextEncoder()
    const key = Redacted.value(options.key)
    const adminKey = options.adminKey === undefined ? key : Redacted.value(options.adminKey)
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

    const nodeToken = (node: NodeId): Effect.Effect<Redacted.Redacted> => {
      const known = tokens.get(node)
      return known === undefined ? Effect.map(derive(node), ({ token }) => token) : Effect.succeed(known.token)
    }

    const linkToken = (reader: NodeId, source: NodeId): Effect.Effect<Redacted.Redacted> => {
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

    const admin = Effect.succeedSome(Principal.Admin())
    const fleet = Effect.succeedSome(Principal.Fleet())
    const judge = (secret: string, { principal, token }: Derived) =>
      equal(secret, Redacted.value(token)) ? principal : Effect.succeedNone

    const metricsKey = options.metricsKey === undefined ? undefined : Redacted.value(options.metricsKey)

    return {
      sessions: yield* DashboardSessions.make({
        adminKey: options.adminKey ?? options.key,
        viewerKey: options.viewerKey
      }),
      ...(metricsKey !== undefined && { mayScrape: (secret: string) => equal(secret, metricsKey) }),
      nodeToken,
      linkToken,
      verify: (secret, node) => {
        if (equal(secret, adminKey)) return admin
        if (equal(secret, key)) return fleet
        if (node === undefined) return Effect.succeedNone
        const known = tokens.get(node)
        // A known token is judged at once: the hot routes need no fiber then.
        return known === undefined
          ? Effect.flatMap(derive(node), (derived) => judge(secret, derived))
          : judge(secret, known)
      }
    }
  })

export const layer = (options: CredentialsOptions): Layer.Layer<Credentials> => Layer.effect(Credentials, make(options))
