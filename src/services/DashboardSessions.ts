/**
 * Sessions of the dashboard: what a browser gets in a cookie for a key, so that it need not keep the key itself.
 *
 * A session is its own proof: `1.ROLE.EXPIRES.ID.SIGNATURE`, with
 * `base64url(HMAC-SHA-256(keys, "mtx-manager session " + what stands before))`. Nothing is stored, so it is good at every
 * manager of the fleet, survives a restart, and ends for everybody when the key is changed. One that was ended is
 * remembered until it would have expired, by the manager that ended it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { equal } from "./internal/equal.js"

/** `admin` may do everything; `viewer` looks, and is not shown the config's secrets. */
export type DashboardRole = "admin" | "viewer"

export interface DashboardSession {
  readonly id: string
  readonly role: DashboardRole
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

export interface DashboardSessionsShape {
  /** Whose key this is; undefined: nobody's who may look at the dashboard. Compared in constant time. */
  readonly roleOf: (secret: string) => DashboardRole | undefined
  /** A new session, and the text for its cookie. */
  readonly begin: (
    role: DashboardRole
  ) => Effect.Effect<{ readonly session: DashboardSession; readonly cookie: string }>
  /** The session of a cookie; none when it is not one of ours, has expired, or was ended here. */
  readonly verify: (cookie: string) => Effect.Effect<Option.Option<DashboardSession>>
  readonly end: (session: DashboardSession) => Effect.Effect<void>
}

export interface DashboardSessionsOptions {
  readonly adminKey: Redacted.Redacted
  /** Opens the dashboard, and routes that only tell, for people who may look but not touch. */
  readonly viewerKey?: Redacted.Redacted | undefined
  /** How long a session lasts (default 12 hours). It is not prolonged. */
  readonly lasts?: Duration.DurationInput | undefined
}

/** Bound of what is remembered of sessions that were ended; beyond it the oldest are forgotten. */
const REMEMBERED = 10_000

const form = /^(1\.(admin|viewer)\.([0-9]{1,15})\.([0-9a-f-]{36}))\.([A-Za-z0-9_-]{43})$/

export const make = (options: DashboardSessionsOptions): Effect.Effect<DashboardSessionsShape> =>
  Effect.gen(function* () {
    const encoder = new TextEncoder()
    const adminKey = Redacted.value(options.adminKey)
    const viewerKey = options.viewerKey === undefined ? undefined : Redacted.value(options.viewerKey)
    const lasts = Duration.toMillis(options.lasts ?? "12 hours")

    // Keys that are not empty, as all of ours are, can always be imported and signed with.
    const importKey = (text: string) =>
      Effect.promise(() =>
        crypto.subtle.importKey("raw", encoder.encode(text), { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
      )
    const keys = {
      admin: yield* importKey(adminKey),
      // Another viewer key ends what was begun with the old one. No key has a NUL in it.
      viewer: yield* importKey(`${adminKey}\0${viewerKey ?? ""}`)
    }
    const sign = (role: DashboardRole, text: string): Effect.Effect<string> =>
      Effect.map(
        Effect.promise(() => crypto.subtle.sign("HMAC", keys[role], encoder.encode(`mtx-manager session ${text}`))),
        (digest) => Encoding.encodeBase64Url(new Uint8Array(digest))
      )

    /** Ids, the oldest first. */
    const ended = new Set<string>()

    return {
      roleOf: (secret) => {
        if (equal(secret, adminKey)) return "admin"
        return viewerKey !== undefined && equal(secret, viewerKey) ? "viewer" : undefined
      },
      begin: Effect.fnUntraced(function* (role: DashboardRole) {
        const session = { id: crypto.randomUUID(), role, expiresAt: (yield* Clock.currentTimeMillis) + lasts }
        const text = `1.${role}.${session.expiresAt}.${session.id}`
        return { session, cookie: `${text}.${yield* sign(role, text)}` }
      }),
      verify: Effect.fnUntraced(function* (cookie: string) {
        const [, text, role, expires, id, signature] = form.exec(cookie) ?? []
        if (text === undefined || id === undefined || signature === undefined) return Option.none()
        if (role !== "admin" && role !== "viewer") return Option.none()
        if (role === "viewer" && viewerKey === undefined) return Option.none()
        if (!equal(signature, yield* sign(role, text))) return Option.none()
        const expiresAt = Number(expires)
        if (expiresAt <= (yield* Clock.currentTimeMillis) || ended.has(id)) return Option.none()
        return Option.some({ id, role, expiresAt })
      }),
      end: ({ id }) =>
        Effect.sync(() => {
          if (ended.size >= REMEMBERED) for (const oldest of ended) if (ended.delete(oldest)) break
          ended.add(id)
        })
    }
  })
