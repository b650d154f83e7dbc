/**
 * `/dashboard` and `/dashboard-session`: the page for people, and their logging in and out.
 *
 * The page is built into one module, which is imported when it is first asked for, by a name that bundlers don't follow: a
 * Worker, which pays for every byte at each start, doesn't carry it. There the route says so.
 *
 * The cookie's path is left to the browser, which takes the folder of `/dashboard-session`: the root, or whatever the app is
 * mounted under.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Credentials } from "../services/Credentials.js"
import type { DashboardSession } from "../services/DashboardSessions.js"
import { Forbidden, NotFound, Unauthorized, Unavailable, UnsupportedMediaType } from "./ApiError.js"
import { foreign, SESSION_COOKIE, sessionIn } from "./OperatorCall.js"
import { invalidField } from "./RequestIssues.js"

const PAGE = "/dashboard"
const SESSION = "/dashboard-session"
const FILES = { [PAGE]: "index.html", [`${PAGE}/app.js`]: "app.js", [`${PAGE}/app.css`]: "app.css" }

/** The routes that this layer adds. */
export const routes = [
  ...Object.keys(FILES).map((path) => ({ method: "GET", path })),
  ...["GET", "POST", "DELETE"].map((method) => ({ method, path: SESSION }))
]

// ---------------------------------------------------------------------------------------------------------------------
// Files

/** What `scripts/bundle-web.mjs` writes. */
const Assets = Schema.Struct({
  assets: Schema.Record({
    key: Schema.String,
    value: Schema.Struct({ type: Schema.String, etag: Schema.String, text: Schema.String, gzip: Schema.String })
  })
})

/** From the source and from what is built alike: both lie two folders below the package. */
const MODULE: string = "../../dist/web/assets.js"

interface File {
  readonly type: string
  readonly etag: string
  readonly text: string
  readonly gzip: Uint8Array
}

const load: Effect.Effect<ReadonlyMap<string, File>> = Effect.tryPromise(
  (): Promise<unknown> => import(/* @vite-ignore */ new URL(MODULE, import.meta.url).href)
).pipe(
  Effect.flatMap(Schema.decodeUnknown(Assets)),
  Effect.flatMap(({ assets }) =>
    Effect.forEach(Object.entries(assets), ([name, { gzip, ...file }]) =>
      Effect.map(Encoding.decodeBase64(gzip), (bytes) => [name, { ...file, gzip: bytes }] as const)
    )
  ),
  Effect.map((files) => new Map(files)),
  Effect.orElseSucceed(() => new Map())
)

const notBuilt = new NotFound({
  message:
    "this build has no dashboard: Workers leave it out, and a checkout has it after npm run build; the API is all there, see /docs"
})

/** Nothing from elsewhere, but clips from the storage's own host and previews from the nodes'. */
const POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "media-src 'self' https: http: blob:",
  "frame-src http: https:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'"
].join("; ")

const fileHeaders = {
  "cache-control": "no-cache",
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  vary: "accept-encoding"
}

const send = (file: File, request: HttpServerRequest.HttpServerRequest): HttpServerResponse.HttpServerResponse => {
  const headers = { ...fileHeaders, etag: file.etag }
  const known = request.headers["if-none-match"]?.split(",").map((tag) => tag.trim().replace(/^W\//, ""))
  if (known?.includes(file.etag)) return HttpServerResponse.empty({ status: 304, headers })
  return /(?:^|[\s,])gzip(?:$|[\s,;])(?!\s*q=0(?:\.0*)?(?:$|[\s,]))/i.test(request.headers["accept-encoding"] ?? "")
    ? HttpServerResponse.uint8Array(file.gzip, {
        contentType: file.type,
        headers: { ...headers, "content-encoding": "gzip" }
      })
    : HttpServerResponse.text(file.text, { contentType: file.type, headers })
}

// ---------------------------------------------------------------------------------------------------------------------
// Sessions

const LONGEST_BODY = 8 * 1024
const Login = Schema.Struct({ key: Schema.NonEmptyString })

const isEncrypted = (request: HttpServerRequest.HttpServerRequest): boolean =>
  request.headers["x-forwarded-proto"]?.split(",")[0]?.trim().toLowerCase() === "https" ||
  request.originalUrl.startsWith("https:")

const cookie = (request: HttpServerRequest.HttpServerRequest, value: string, seconds: number): string =>
  `${SESSION_COOKIE}=${value}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isEncrypted(request) ? "; Secure" : ""}`

const shown = ({ expiresAt, role }: DashboardSession) => ({ role, expiresAt: new Date(expiresAt).toISOString() })
const noStore = { "cache-control": "no-store" }

const noSessions = new Unavailable({
  message: "this manager has no sessions: it was put together without",
  retryAfter: 3600
})

const make = Effect.fnUntraced(function* (router: typeof HttpApiBuilder.Router.Service) {
  const { sessions } = yield* Credentials
  const files = yield* Effect.cached(load)

  const headerOf = (request: HttpServerRequest.HttpServerRequest) => ({
    method: request.method,
    header: (name: string) => request.headers[name]
  })

  const current = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
    if (sessions === undefined) return yield* noSessions
    const text = sessionIn(request.headers["cookie"])
    const found = text === undefined ? Option.none() : yield* sessions.verify(text)
    if (Option.isNone(found)) return yield* new Unauthorized({ message: "no session, or one that has ended: log in" })
    return found.value
  })

  const begin = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
    if (sessions === undefined) return yield* noSessions
    const reason = foreign(headerOf(request))
    if (reason !== undefined) return yield* new Forbidden({ message: reason })
    if (!/^application\/json(?:$|;)/i.test(request.headers["content-type"] ?? "")) {
      return yield* new UnsupportedMediaType({ message: "the body is not JSON", supported: ["application/json"] })
    }
    const { key } = yield* HttpServerRequest.schemaBodyJson(Login).pipe(
      HttpIncomingMessage.withMaxBodySize(Option.some(LONGEST_BODY)),
      Effect.mapError(() => invalidField("body", "key", "is missing or is not a text", "the admin key"))
    )
    const role = sessions.roleOf(key)
    const from = Option.getOrElse(request.remoteAddress, () => "an unknown address")
    if (role === undefined) {
      yield* Effect.logWarning(`dashboard: a wrong key from ${from}`)
      return yield* new Unauthorized({ message: "this is not the admin key" })
    }
    yield* Effect.logInfo(`dashboard: ${role} logged in from ${from}`)
    const { cookie: text, session } = yield* sessions.begin(role)
    const seconds = Math.round((session.expiresAt - (yield* Clock.currentTimeMillis)) / 1000)
    return HttpServerResponse.unsafeJson(shown(session), {
      headers: { ...noStore, "set-cookie": cookie(request, text, seconds) }
    })
  })

  const end = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
    const reason = foreign(headerOf(request))
    if (reason !== undefined) return yield* new Forbidden({ message: reason })
    const session = yield* Effect.option(current(request))
    if (Option.isSome(session)) yield* sessions?.end(session.value) ?? Effect.void
    return HttpServerResponse.empty({ status: 204, headers: { ...noStore, "set-cookie": cookie(request, "", 0) } })
  })

  const handle = <E>(
    answer: (
      request: HttpServerRequest.HttpServerRequest
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest>
  ) =>
    // ManagerHttp puts errors into HTTP, also those that a route of the router dies of.
    Effect.orDie(Effect.flatMap(HttpServerRequest.HttpServerRequest, answer))

  for (const [path, name] of Object.entries(FILES)) {
    yield* router.get(
      path as `/${string}`,
      handle((request) =>
        Effect.flatMap(files, (all) => {
          const file = all.get(name)
          return file === undefined ? Effect.fail(notBuilt) : Effect.succeed(send(file, request))
        })
      )
    )
  }
  yield* router.get(
    SESSION,
    handle((request) =>
      Effect.map(current(request), (session) => HttpServerResponse.unsafeJson(shown(session), { headers: noStore }))
    )
  )
  yield* router.post(SESSION, handle(begin))
  yield* router.del(SESSION, handle(end))
})

export const layer: Layer.Layer<never, never, Credentials> = HttpApiBuilder.Router.use(make)
