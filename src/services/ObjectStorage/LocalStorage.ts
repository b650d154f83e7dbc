/**
 * ObjectStorage over bytes that the manager keeps itself: signs URLs of the manager and answers them.
 *
 * To a client they behave as S3's do: a signed PUT takes one content type, wrong requests get 403, parts answer with an
 * `ETag`, downloads take ranges.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { ObjectStorageError, ObjectStorageShape, SignedRequest, StorageHost } from "../ObjectStorage.js"
import { type LocalObjects, localError, type OpenObject } from "./LocalObjects.js"
import {
  checkContentType,
  checkExpiry,
  checkKey,
  checkLength,
  checkPartNumber,
  checkPartSize,
  checkPrefix,
  contentDisposition,
  encodeKey,
  keyProblem,
  sortParts
} from "./ObjectRules.js"
import * as SignedUrl from "./SignedUrl.js"

export interface LocalStorageOptions {
  /** Name of the bucket, in answers only. */
  readonly bucket: string
  readonly prefix: string
}

const ROUTE = "/storage/"

const statuses: Readonly<Record<ObjectStorageError["reason"], number>> = {
  AccessDenied: 403,
  SignatureMismatch: 403,
  ClockSkew: 403,
  NotFound: 404,
  AlreadyExists: 412,
  TooLarge: 413,
  Incomplete: 400,
  Unavailable: 503,
  Misconfigured: 500
}

/** Nobody else's cache keeps these, and no browser runs what was stored as a page of the manager. */
const safely = {
  "cache-control": "private",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "cross-origin-resource-policy": "cross-origin"
}

const failure = (error: ObjectStorageError, method: string, more: Record<string, string> = {}): Response =>
  new Response(
    method === "HEAD" ? null : JSON.stringify({ _tag: error._tag, reason: error.reason, message: error.message }),
    {
      status: statuses[error.reason],
      headers: { ...safely, "cache-control": "no-store", "content-type": "application/json", ...more }
    }
  )

type Range = { readonly start: number; readonly end: number } | "whole" | "unsatisfiable"

/** One range is honoured; of anything else the whole object is given, as HTTP allows. */
const parseRange = (request: Request, object: OpenObject["info"]): Range => {
  const header = request.headers.get("range")
  if (header === null) return "whole"
  const ifRange = request.headers.get("if-range")
  if (ifRange !== null && ifRange !== object.etag) return "whole"
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim())
  const [, from = "", to = ""] = match ?? []
  if (from === "" && to === "") return "whole"
  const start = from === "" ? Math.max(0, object.size - Number(to)) : Number(from)
  const end = from === "" || to === "" ? object.size - 1 : Math.min(Number(to), object.size - 1)
  if (from !== "" && to !== "" && Number(to) < Number(from)) return "whole"
  return start >= object.size || end < start ? "unsatisfiable" : { start, end }
}

/** The key in a URL of ours, wherever the manager is mounted. */
const keyIn = (pathname: string, mount: string): string | undefined => {
  const route = pathname.startsWith(`${mount}${ROUTE}`) ? `${mount}${ROUTE}` : ROUTE
  if (!pathname.startsWith(route)) return undefined
  try {
    const key = decodeURIComponent(pathname.slice(route.length))
    return keyProblem(key) === undefined ? key : undefined
  } catch {
    return undefined
  }
}

export const make = Effect.fn("LocalStorage.make")(function* (
  objects: LocalObjects,
  host: StorageHost,
  options: LocalStorageOptions
) {
  const prefix = yield* checkPrefix(options.prefix)
  const base = yield* Effect.try({
    try: () => {
      const url = new URL(host.base)
      return `${url.origin}${url.pathname.replace(/\/+$/, "")}`
    },
    catch: () => localError("Misconfigured", "base is not an absolute URL; use one such as https://example.com")
  })
  const mount = new URL(base).pathname.replace(/\/+$/, "")
  const signer = yield* SignedUrl.make(host.key)
  const objectUrl = (key: string) => `${base}${ROUTE}${encodeKey(key)}`

  const sign = Effect.fnUntraced(function* (
    key: string,
    expiresIn: Duration.DurationInput,
    permission: Omit<SignedUrl.Permission, "key" | "expires">,
    headers: Record<string, string>
  ) {
    yield* checkKey(key)
    const seconds = yield* checkExpiry(expiresIn)
    const expires = Math.floor((yield* Clock.currentTimeMillis) / 1000) + seconds
    const query = yield* signer.sign({ ...permission, key, expires })
    const signed: SignedRequest = {
      method: permission.method,
      url: Redacted.make(`${objectUrl(key)}?${query}`),
      headers,
      expiresAt: expires * 1000
    }
    return signed
  })

  const lengthHeader = (length: number | undefined): Record<string, string> =>
    length === undefined ? {} : { "content-length": String(length) }

  const put = Effect.fnUntraced(function* (request: Request, permission: SignedUrl.Permission) {
    const { absent, key, length, part, type, upload } = permission
    const announced = request.headers.get("content-length")
    if (length !== undefined && announced !== null && announced !== String(length)) {
      return yield* localError("SignatureMismatch", `This URL is for a body of ${length} bytes, not of ${announced}`)
    }
    const incoming = {
      body: request.body,
      length: length ?? (announced === null ? undefined : Number(announced))
    }
    if (upload !== undefined && part !== undefined) {
      return yield* objects.putPart(key, upload, part, incoming)
    }
    const given = request.headers.get("content-type") ?? ""
    if (type === undefined || given !== type) {
      return yield* localError(
        "SignatureMismatch",
        `This URL is for content of type ${type}, not ${given || "of none"}`
      )
    }
    return (yield* objects.put(key, incoming, { contentType: type, ifAbsent: absent === true })).etag
  })

  const describe = (info: OpenObject["info"], permission: SignedUrl.Permission): Record<string, string> => ({
    ...safely,
    "accept-ranges": "bytes",
    "content-type": info.contentType,
    etag: info.etag,
    "last-modified": new Date(info.lastModified).toUTCString(),
    ...(permission.filename === undefined ? {} : { "content-disposition": contentDisposition(permission.filename) })
  })

  const notFound = (key: string) => localError("NotFound", `There is no object ${key}`)

  const get = Effect.fnUntraced(function* (request: Request, permission: SignedUrl.Permission) {
    const { key } = permission
    if (request.method === "HEAD") {
      const info = yield* Effect.flatten(
        Effect.map(
          objects.head(key),
          Option.match({
            onNone: () => Effect.fail(notFound(key)),
            onSome: Effect.succeed
          })
        )
      )
      return new Response(null, { headers: { ...describe(info, permission), "content-length": String(info.size) } })
    }
    const opened = yield* objects.open(key)
    if (Option.isNone(opened)) return yield* notFound(key)
    const { close, info, read } = opened.value
    const headers = describe(info, permission)
    if (request.headers.get("if-none-match") === info.etag) {
      yield* close
      return new Response(null, { status: 304, headers })
    }
    const range = parseRange(request, info)
    if (range === "unsatisfiable") {
      yield* close
      return new Response(null, { status: 416, headers: { ...safely, "content-range": `bytes */${info.size}` } })
    }
    if (range === "whole") {
      return new Response(read(0, info.size - 1), { headers: { ...headers, "content-length": String(info.size) } })
    }
    return new Response(read(range.start, range.end), {
      status: 206,
      headers: {
        ...headers,
        "content-length": String(range.end - range.start + 1),
        "content-range": `bytes ${range.start}-${range.end}/${info.size}`
      }
    })
  })

  const serve = Effect.fnUntraced(
    function* (request: Request) {
      const { method } = request
      if (method !== "GET" && method !== "HEAD" && method !== "PUT") {
        return failure(localError("AccessDenied", `Objects have no ${method}; use GET, HEAD or PUT`), method, {
          allow: "GET, HEAD, PUT"
        })
      }
      const url = new URL(request.url)
      const key = keyIn(url.pathname, mount)
      if (key === undefined) return failure(localError("NotFound", "There is no such object"), method)
      const permission = yield* signer.verify(key, url.searchParams, yield* Clock.currentTimeMillis)
      const wanted = method === "HEAD" ? "GET" : method
      if (permission.method !== wanted) {
        return yield* localError("SignatureMismatch", `This URL is for ${permission.method}, not for ${method}`)
      }
      if (wanted === "GET") return yield* get(request, permission)
      const etag = yield* put(request, permission)
      return new Response(null, { status: 200, headers: { ...safely, etag } })
    },
    (effect, request) => Effect.catchAll(effect, (error) => Effect.succeed(failure(error, request.method)))
  )

  const storage: ObjectStorageShape = {
    bucket: options.bucket,
    clipKey: (id, extension = "mp4") => `${prefix}${id}.${extension}`,
    objectUrl,
    signPut: Effect.fnUntraced(function* (key, { contentLength, contentType, expiresIn, ifAbsent }) {
      yield* checkContentType(contentType)
      yield* checkLength(contentLength)
      return yield* sign(
        key,
        expiresIn,
        { method: "PUT", type: contentType, length: contentLength, absent: ifAbsent },
        {
          "content-type": contentType,
          ...lengthHeader(contentLength),
          ...(ifAbsent === true ? { "if-none-match": "*" } : {})
        }
      )
    }),
    signGet: (key, { expiresIn, filename }) => sign(key, expiresIn, { method: "GET", filename }, {}),
    head: (key) => Effect.zipRight(checkKey(key), objects.head(key)),
    delete: (key) => Effect.zipRight(checkKey(key), objects.remove(key)),
    multipart: {
      create: Effect.fnUntraced(function* (key, { contentType, partSize }) {
        yield* checkKey(key)
        yield* checkContentType(contentType)
        yield* checkPartSize(partSize)
        return yield* objects.createUpload(key, { contentType, partSize })
      }),
      signPart: Effect.fnUntraced(function* (key, uploadId, partNumber, { contentLength, expiresIn }) {
        yield* checkPartNumber(partNumber)
        yield* checkLength(contentLength)
        return yield* sign(
          key,
          expiresIn,
          { method: "PUT", upload: uploadId, part: partNumber, length: contentLength },
          lengthHeader(contentLength)
        )
      }),
      complete: Effect.fnUntraced(function* (key, uploadId, parts, complete) {
        yield* checkKey(key)
        const sorted = yield* sortParts(parts)
        yield* objects.completeUpload(key, uploadId, sorted, { ifAbsent: complete?.ifAbsent === true })
      }),
      abort: (key, uploadId) => Effect.zipRight(checkKey(key), objects.abortUpload(key, uploadId))
    },
    check: objects.check,
    serve
  }
  return storage
})
