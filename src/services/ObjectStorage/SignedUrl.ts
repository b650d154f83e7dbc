/**
 * URLs of the manager that carry their own permission: `BASE/storage/KEY?method=PUT&expires=...&type=...&signature=...`.
 *
 * The signature is an HMAC-SHA-256 over every field, so that none can be changed, taken away or added. It does not cover the
 * base: a manager may be reached by several names.
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { ObjectStorageError } from "../ObjectStorage.js"

/** What a URL allows. */
export interface Permission {
  readonly method: "GET" | "PUT"
  readonly key: string
  /** Epoch seconds. */
  readonly expires: number
  readonly type?: string | undefined
  readonly length?: number | undefined
  readonly absent?: boolean | undefined
  readonly filename?: string | undefined
  readonly upload?: string | undefined
  readonly part?: number | undefined
}

export interface UrlSigner {
  /** The query of the URL, without `?`. */
  readonly sign: (permission: Permission) => Effect.Effect<string>
  /** What the query allows for this key, if its signature is right and it has not expired. */
  readonly verify: (key: string, query: URLSearchParams, now: number) => Effect.Effect<Permission, ObjectStorageError>
}

const encoder = new TextEncoder()

/** Unambiguous: JSON, with a first element that no other use of the key has. */
const canonical = (permission: Permission) =>
  encoder.encode(
    JSON.stringify([
      "mtx-manager storage url 1",
      permission.method,
      permission.key,
      permission.expires,
      permission.type ?? null,
      permission.length ?? null,
      permission.absent ?? false,
      permission.filename ?? null,
      permission.upload ?? null,
      permission.part ?? null
    ])
  )

const mismatch = () =>
  new ObjectStorageError({
    reason: "SignatureMismatch",
    message:
      "The signature of this URL is not right: use the URL exactly as it was given out, with the method and headers given with it"
  })

const decimal = (text: string | null): number | undefined =>
  text !== null && /^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : undefined

const names = ["method", "expires", "type", "length", "absent", "filename", "upload", "part", "signature"]

const read = (key: string, query: URLSearchParams): Permission | undefined => {
  // A name that occurs twice could mean one thing here and another to whoever reads it next.
  if (names.some((name) => query.getAll(name).length > 1)) return undefined
  const method = query.get("method")
  const expires = decimal(query.get("expires"))
  if ((method !== "GET" && method !== "PUT") || expires === undefined) return undefined
  const length = decimal(query.get("length"))
  const part = decimal(query.get("part"))
  if ((length === undefined && query.has("length")) || (part === undefined && query.has("part"))) return undefined
  return {
    method,
    key,
    expires,
    type: query.get("type") ?? undefined,
    length,
    absent: query.get("absent") === "1",
    filename: query.get("filename") ?? undefined,
    upload: query.get("upload") ?? undefined,
    part
  }
}

export const make = Effect.fnUntraced(function* (
  key: Redacted.Redacted
): Effect.fn.Return<UrlSigner, ObjectStorageError> {
  if (Redacted.value(key) === "") {
    return yield* new ObjectStorageError({
      reason: "Misconfigured",
      message: "The key that signs URLs is empty; give a long random text"
    })
  }
  // Can't fail for a key that is not empty.
  const hmac = yield* Effect.promise(() =>
    crypto.subtle.importKey("raw", encoder.encode(Redacted.value(key)), { name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
      "verify"
    ])
  )
  return {
    sign: (permission) =>
      Effect.map(
        Effect.promise(() => crypto.subtle.sign("HMAC", hmac, canonical(permission))),
        (signature) => {
          const query = new URLSearchParams({ method: permission.method, expires: String(permission.expires) })
          if (permission.type !== undefined) query.set("type", permission.type)
          if (permission.length !== undefined) query.set("length", String(permission.length))
          if (permission.absent === true) query.set("absent", "1")
          if (permission.filename !== undefined) query.set("filename", permission.filename)
          if (permission.upload !== undefined) query.set("upload", permission.upload)
          if (permission.part !== undefined) query.set("part", String(permission.part))
          query.set("signature", Encoding.encodeBase64Url(new Uint8Array(signature)))
          return query.toString()
        }
      ),
    verify: Effect.fnUntraced(function* (objectKey, query, now) {
      const permission = read(objectKey, query)
      const text = query.get("signature") ?? ""
      const signature = Encoding.decodeBase64Url(text)
      if (permission === undefined || signature._tag === "Left") return yield* mismatch()
      // Copied: a decoder's view may lie in a larger buffer, and subtle takes only plain ones. Compares in constant time.
      const bytes = new Uint8Array(signature.right)
      // The last character has two bits that the decoder drops: one signature has one spelling here.
      if (Encoding.encodeBase64Url(bytes) !== text) return yield* mismatch()
      const right = yield* Effect.promise(() => crypto.subtle.verify("HMAC", hmac, bytes, canonical(permission)))
      if (!right) return yield* mismatch()
      if (permission.expires * 1000 <= now) {
        return yield* new ObjectStorageError({
          reason: "AccessDenied",
          message: `This URL expired at ${new Date(permission.expires * 1000).toISOString()}; ask for a new one`
        })
      }
      return permission
    })
  }
})
