/**
 * ObjectStorage on S3 and what speaks its protocol: AWS, Cloudflare R2, MinIO, Garage, Ceph, Backblaze B2.
 *
 * WebCrypto and fetch only, so that it runs in Node and in Workers alike.
 */
import { AwsV4Signer } from "aws4fetch"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { ObjectStorageError, type ObjectStorageShape, type SignedRequest, type Storage } from "../ObjectStorage.js"
import {
  checkContentType,
  checkExpiry,
  checkKey,
  checkLength,
  checkPartNumber,
  checkPartSize,
  checkPrefix,
  contentDisposition,
  defaultPrefix,
  encodeKey,
  sortParts
} from "./ObjectRules.js"
import { escapeXml, fromRefusal, xmlText } from "./S3Error.js"

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string | Redacted.Redacted
  /** Of temporary credentials. URLs signed with them end with them. */
  readonly sessionToken?: string | Redacted.Redacted | undefined
}

export interface S3Options {
  /**
   * The server, without the bucket.
   * - AWS: `https://s3.REGION.amazonaws.com`
   * - R2: `https://ACCOUNT_ID.r2.cloudflarestorage.com` (the dashboard shows it with the bucket behind: leave that out). A
   *   token with "Object Read & Write" on the bucket is enough. Signed URLs work on this host only, not on a custom domain.
   * - MinIO: `http://HOST:9000`. The host is part of every signature: give the one that workers and viewers use, and let a
   *   proxy in front pass it on unchanged.
   */
  readonly endpoint: string | URL
  readonly credentials: S3Credentials
  readonly bucket: string
  /** Where clips go in the bucket (default `recordings/`; `""` for its root). */
  readonly prefix?: string | undefined
  /** Default: what the endpoint says, else `auto` for R2 and `us-east-1` for all others. */
  readonly region?: string | undefined
  /**
   * Where the bucket's name stands: `path` is `ENDPOINT/BUCKET/KEY`, `virtual` is `BUCKET.ENDPOINT/KEY`. Default: `virtual`
   * at AWS (but for names with a dot, which its certificate does not cover), `path` elsewhere; R2 takes both, MinIO
   * `virtual` only when it was given a domain.
   */
  readonly style?: "path" | "virtual" | undefined
  /** Where the bucket is open to the public (a custom domain of R2, a CDN), for `objectUrl`: `PUBLIC_URL/KEY`. */
  readonly publicUrl?: string | URL | undefined
  /** How long one request of ours may take (default 10 seconds). */
  readonly timeout?: Duration.DurationInput | undefined
  /** How often a request is tried again when the storage is unavailable (default 4), with growing pauses. */
  readonly retries?: number | undefined
  /** Sends our own requests (default: the global one). */
  readonly fetch?: typeof globalThis.fetch | undefined
}

/**
 * A bucket. Nothing is sent until it is used.
 *
 * @example
 * ```ts
 * import { s3 } from "@livecams/mtx-manager/storage"
 *
 * const storage = s3({
 *   endpoint: "https://ACCOUNT_ID.r2.cloudflarestorage.com",
 *   credentials: { accessKeyId: "ACCESS_KEY", secretAccessKey: "SECRET_KEY" },
 *   bucket: "clips"
 * })
 * ```
 */
export const s3 = (options: S3Options): Storage => {
  // Redacted at once: the value may be logged.
  const { secretAccessKey, sessionToken } = options.credentials
  const secret = redact(secretAccessKey)
  const token = sessionToken === undefined ? undefined : redact(sessionToken)
  return { kind: "s3", make: () => make(options, secret, token) }
}

const redact = (secret: string | Redacted.Redacted): Redacted.Redacted =>
  typeof secret === "string" ? Redacted.make(secret) : secret

const misconfigured = (message: string) => new ObjectStorageError({ reason: "Misconfigured", message })

const parseUrl = (option: string, value: string | URL): Effect.Effect<URL, ObjectStorageError> => {
  // The value is not repeated when it doesn't parse: a secret may have been put there by mistake.
  const refuse = (why: string) =>
    misconfigured(`${option} ${why}; use an http or https URL such as https://example.com`)
  return Effect.flatMap(
    Effect.try({ try: () => new URL(value), catch: () => refuse("is not an absolute URL") }),
    (url) => {
      if (url.protocol !== "http:" && url.protocol !== "https:") return refuse("is not an http or https URL")
      if (url.username !== "" || url.password !== "") return refuse("has credentials")
      if (url.search !== "" || url.hash !== "") return refuse("has a query or fragment")
      return Effect.succeed(url)
    }
  )
}

const withoutSlash = (url: URL): string => url.pathname.replace(/\/+$/, "")

/** The part of the bucket's names that can be a host name. */
const hostName = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/

interface Target {
  /** Without a slash at the end. */
  readonly root: string
  readonly publicRoot: string
  readonly bucket: string
  readonly region: string
}

const target = Effect.fnUntraced(function* (options: S3Options): Effect.fn.Return<Target, ObjectStorageError> {
  const endpoint = yield* parseUrl("endpoint", options.endpoint)
  const { bucket } = options
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket)) {
    return yield* misconfigured(
      `bucket ${JSON.stringify(bucket)} can't be a bucket's name: it has 3 characters or more, of a-z 0-9 . -`
    )
  }
  if (withoutSlash(endpoint).split("/").pop() === bucket) {
    return yield* misconfigured(
      `endpoint ends with the bucket's name; use ${endpoint.origin}${withoutSlash(endpoint).slice(0, -bucket.length - 1)}, and the name as bucket`
    )
  }
  const isAws = /(^|\.)amazonaws\.com(\.cn)?$/.test(endpoint.hostname)
  const style = options.style ?? (isAws && hostName.test(bucket) && !bucket.includes(".") ? "virtual" : "path")
  if (style === "virtual") {
    if (!hostName.test(bucket)) {
      return yield* misconfigured(`bucket ${bucket} can't be part of a host name; use style: "path"`)
    }
    if (endpoint.hostname.startsWith(`${bucket}.`)) {
      return yield* misconfigured(
        `endpoint begins with the bucket's name; use ${endpoint.protocol}//${endpoint.host.slice(bucket.length + 1)}, and style: "virtual"`
      )
    }
    if (/^[\d.]+$|^\[/.test(endpoint.hostname)) {
      return yield* misconfigured('endpoint is an address, which can\'t have a bucket in front; use style: "path"')
    }
  }
  const root =
    style === "virtual"
      ? `${endpoint.protocol}//${bucket}.${endpoint.host}${withoutSlash(endpoint)}`
      : `${endpoint.origin}${withoutSlash(endpoint)}/${bucket}`
  const publicUrl = options.publicUrl === undefined ? undefined : yield* parseUrl("publicUrl", options.publicUrl)
  const guessed = new AwsV4Signer({ url: endpoint.href, accessKeyId: "", secretAccessKey: "" }).region
  return {
    root,
    publicRoot: publicUrl === undefined ? root : `${publicUrl.origin}${withoutSlash(publicUrl)}`,
    bucket,
    region: options.region ?? guessed
  }
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

interface Call {
  readonly what: string
  readonly method: string
  readonly key: string
  readonly query?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

const make = Effect.fn("S3Storage.make")(function* (
  options: S3Options,
  secretAccessKey: Redacted.Redacted,
  sessionToken: Redacted.Redacted | undefined
) {
  const { bucket, publicRoot, region, root } = yield* target(options)
  const prefix = yield* checkPrefix(options.prefix ?? defaultPrefix)
  const { accessKeyId } = options.credentials
  if (!/^[\x21-\x7e]+$/.test(accessKeyId) || Redacted.value(secretAccessKey) === "") {
    return yield* misconfigured("credentials are not complete; give accessKeyId and secretAccessKey")
  }
  const timeout = Duration.decode(options.timeout ?? Duration.seconds(10))
  const send: typeof globalThis.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
  // Signing keys of a day, by aws4fetch: it would grow by one entry a day, so it is emptied when it has a few.
  const cache = new Map<string, ArrayBuffer>()

  const urlOf = (key: string, query = "") => `${root}/${encodeKey(key)}${query === "" ? "" : `?${query}`}`

  const sign = (request: {
    readonly method: string
    readonly url: string
    readonly headers?: Record<string, string> | undefined
    readonly body?: string | undefined
    readonly signQuery: boolean
    readonly now: number
  }) =>
    // WebCrypto's HMAC and hash can't fail on what is given to them here.
    Effect.promise(() => {
      if (cache.size > 8) cache.clear()
      return new AwsV4Signer({
        method: request.method,
        url: request.url,
        ...(request.headers === undefined ? {} : { headers: request.headers }),
        ...(request.body === undefined ? {} : { body: request.body }),
        accessKeyId,
        secretAccessKey: Redacted.value(secretAccessKey),
        ...(sessionToken === undefined ? {} : { sessionToken: Redacted.value(sessionToken) }),
        service: "s3",
        region,
        cache,
        datetime: new Date(request.now).toISOString().replace(/[:-]|\.\d{3}/g, ""),
        signQuery: request.signQuery,
        // Else it leaves the content type and length out, and an upload could be of any.
        allHeaders: true
      }).sign()
    })

  const presign = Effect.fnUntraced(function* (
    method: "GET" | "PUT",
    key: string,
    expiresIn: Duration.DurationInput,
    query: Readonly<Record<string, string>>,
    headers: Record<string, string>
  ) {
    yield* checkKey(key)
    const seconds = yield* checkExpiry(expiresIn)
    const now = yield* Clock.currentTimeMillis
    const search = new URLSearchParams({ ...query, "X-Amz-Expires": String(seconds) })
    const { url } = yield* sign({ method, url: urlOf(key, search.toString()), headers, signQuery: true, now })
    // A space is %20 to every server, `+` only to some.
    url.search = url.search.replaceAll("+", "%20")
    const signed: SignedRequest = {
      method,
      url: Redacted.make(url.href),
      headers,
      // The signature counts from whole seconds.
      expiresAt: Math.floor(now / 1000) * 1000 + seconds * 1000
    }
    return signed
  })

  const refused = (answer: Answer, what: string, now: number) =>
    fromRefusal(
      {
        status: answer.status,
        body: answer.body,
        date: answer.headers.get("date") ?? undefined,
        region: answer.headers.get("x-amz-bucket-region") ?? undefined
      },
      { what, bucket, region, now }
    )

  const attempt = Effect.fnUntraced(function* (call: Call) {
    const now = yield* Clock.currentTimeMillis
    const signed = yield* sign({
      method: call.method,
      url: urlOf(call.key, call.query),
      headers: call.headers,
      body: call.body,
      signQuery: false,
      now
    })
    const unavailable = (why: string, cause?: unknown) =>
      new ObjectStorageError({
        reason: "Unavailable",
        message: `Can't ${call.what} in bucket ${bucket}: ${new URL(root).host} ${why}`,
        ...(cause === undefined ? {} : { cause })
      })
    const answer = yield* Effect.tryPromise({
      try: async (signal): Promise<Answer> => {
        const response = await send(signed.url.href, {
          method: signed.method,
          headers: signed.headers,
          ...(call.body === undefined ? {} : { body: call.body }),
          redirect: "manual",
          signal
        })
        return { status: response.status, headers: response.headers, body: await response.text() }
      },
      catch: (cause) => unavailable("can't be reached; check the endpoint, and the network on the way to it", cause)
    }).pipe(
      Effect.timeoutFail({
        duration: timeout,
        onTimeout: () => unavailable(`did not answer within ${Duration.format(timeout)}`)
      })
    )
    // An error while the parts are joined comes with status 200, which has been sent by then.
    const failedLate = answer.status === 200 && call.method === "POST" && answer.body.includes("<Error>")
    if (answer.status === 429 || answer.status >= 500 || failedLate) {
      return yield* refused(failedLate ? { ...answer, status: 500 } : answer, call.what, now)
    }
    return { answer, now }
  })

  const retry = Schedule.exponential("200 millis").pipe(
    Schedule.jittered,
    Schedule.intersect(Schedule.recurs(options.retries ?? 4))
  )
  const call = (request: Call) =>
    Effect.retry(attempt(request), { schedule: retry, while: (error) => error.reason === "Unavailable" })

  const callOk = Effect.fnUntraced(function* (request: Call) {
    const { answer, now } = yield* call(request)
    return answer.status < 300 ? answer : yield* refused(answer, request.what, now)
  })

  const head = Effect.fnUntraced(function* (key: string) {
    yield* checkKey(key)
    const what = `look at ${key}`
    const { answer } = yield* call({ what, method: "HEAD", key })
    if (answer.status === 200) {
      return Option.some({
        key,
        size: Number(answer.headers.get("content-length") ?? 0),
        contentType: answer.headers.get("content-type") ?? "application/octet-stream",
        etag: answer.headers.get("etag") ?? "",
        lastModified: Date.parse(answer.headers.get("last-modified") ?? "") || 0
      })
    }
    // The answer to HEAD has no body, so it can't say what is wrong, nor whether the bucket itself is missing. Ask again
    // for a byte.
    const { answer: why, now } = yield* call({ what, method: "GET", key, headers: { range: "bytes=0-0" } })
    if (why.status < 300 || why.status === 416) return yield* refused(answer, what, now)
    const error = refused(why, what, now)
    return error.reason === "NotFound" ? Option.none() : yield* error
  })

  const storage: ObjectStorageShape = {
    bucket,
    clipKey: (id, extension = "mp4") => `${prefix}${id}.${extension}`,
    objectUrl: (key) => `${publicRoot}/${encodeKey(key)}`,
    signPut: Effect.fnUntraced(function* (key, put) {
      yield* checkContentType(put.contentType)
      yield* checkLength(put.contentLength)
      return yield* presign(
        "PUT",
        key,
        put.expiresIn,
        {},
        {
          "content-type": put.contentType,
          ...(put.contentLength === undefined ? {} : { "content-length": String(put.contentLength) }),
          ...(put.ifAbsent === true ? { "if-none-match": "*" } : {})
        }
      )
    }),
    signGet: (key, get) =>
      presign(
        "GET",
        key,
        get.expiresIn,
        get.filename === undefined ? {} : { "response-content-disposition": contentDisposition(get.filename) },
        {}
      ),
    head,
    delete: Effect.fnUntraced(function* (key) {
      yield* checkKey(key)
      yield* callOk({ what: `delete ${key}`, method: "DELETE", key }).pipe(
        // S3 itself says 204 here; some others don't.
        Effect.catchIf(
          (error) => error.reason === "NotFound",
          () => Effect.void
        )
      )
    }),
    multipart: {
      create: Effect.fnUntraced(function* (key, { contentType, partSize }) {
        yield* checkKey(key)
        yield* checkContentType(contentType)
        yield* checkPartSize(partSize)
        const what = `begin an upload of ${key}`
        const answer = yield* callOk({
          what,
          method: "POST",
          key,
          query: "uploads=",
          headers: { "content-type": contentType }
        })
        const uploadId = xmlText(answer.body, "UploadId")
        if (uploadId !== undefined && uploadId !== "") return uploadId
        return yield* misconfigured(
          `Can't ${what} in bucket ${bucket}: the answer names no upload; is the endpoint an S3 server?`
        )
      }),
      signPart: Effect.fnUntraced(function* (key, uploadId, partNumber, part) {
        yield* checkPartNumber(partNumber)
        yield* checkLength(part.contentLength)
        return yield* presign(
          "PUT",
          key,
          part.expiresIn,
          { partNumber: String(partNumber), uploadId },
          part.contentLength === undefined ? {} : { "content-length": String(part.contentLength) }
        )
      }),
      complete: Effect.fnUntraced(function* (key, uploadId, parts, complete) {
        yield* checkKey(key)
        const sorted = yield* sortParts(parts)
        const list = sorted.map(
          (part) => `<Part><PartNumber>${part.partNumber}</PartNumber><ETag>${escapeXml(part.etag)}</ETag></Part>`
        )
        yield* callOk({
          what: `complete the upload of ${key}`,
          method: "POST",
          key,
          query: new URLSearchParams({ uploadId }).toString(),
          headers: {
            "content-type": "application/xml",
            ...(complete?.ifAbsent === true ? { "if-none-match": "*" } : {})
          },
          body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join("")}</CompleteMultipartUpload>`
        })
      }),
      abort: Effect.fnUntraced(function* (key, uploadId) {
        yield* checkKey(key)
        yield* callOk({
          what: `abort the upload of ${key}`,
          method: "DELETE",
          key,
          query: new URLSearchParams({ uploadId }).toString()
        }).pipe(
          Effect.catchIf(
            (error) => error.reason === "NotFound",
            () => Effect.void
          )
        )
      })
    },
    check: Effect.asVoid(Effect.suspend(() => head(`${prefix}mtx-manager-check`))),
    serve: undefined
  }
  return storage
})
