/** The handlers of `/streams` and `/groups`. A manager without a Topology answers 404. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { canPrompt } from "../mediamtx/AuthRequest.js"
import { staticPathNameProblem } from "../mediamtx/StaticPathName.js"
import { AuthPolicy } from "../services/AuthPolicy.js"
import { FleetState } from "../services/FleetState.js"
import type { ViewerProtocol } from "../services/NodeDirectory.js"
import type { NodeId } from "../services/NodeId.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import * as StreamLocator from "../services/StreamLocator.js"
import { Topology } from "../services/Topology.js"
import * as Access from "./Access.js"
import { Forbidden, NotFound, Unauthorized, Unavailable } from "./ApiError.js"
import { ManagerApi } from "./ManagerApi.js"
import { sessionIn } from "./OperatorCall.js"
import * as Query from "./Query.js"
import { invalidField } from "./RequestIssues.js"

/** Parameters that are ours. */
const OURS: ReadonlySet<string> = new Set(["protocol", "near", "format"])

/** Players run in pages of other origins. No cookie of the browser's own opens anything to those (see `OperatorCall`). */
const headers = { "cache-control": "no-store", "access-control-allow-origin": "*" }

/** What stands between `/streams/` and `?`, and the viewer's own query, as they came. */
const split = (url: string): { readonly path: string; readonly own: string } => {
  const at = url.indexOf("?")
  const path = at === -1 ? url : url.slice(0, at)
  const own = at === -1 ? [] : url.slice(at + 1).split("&")
  return {
    path: path.slice("/streams/".length),
    own: own.filter((part) => part !== "" && !OURS.has(part.split("=", 1)[0] ?? "")).join("&")
  }
}

interface Viewer {
  readonly user: string
  readonly password: string
  readonly token: string
}

/** The credentials as MediaMTX would take them: Basic or Bearer, else `user` and `pass`, `token` or `jwt` of the query. */
const viewerOf = (authorization: string | undefined, query: Query.Query): Viewer => {
  const [scheme = "", rest = ""] = (authorization ?? "").split(/\s+/, 2)
  if (scheme.toLowerCase() === "bearer") return { user: "", password: "", token: rest }
  if (scheme.toLowerCase() === "basic") {
    const decoded = Encoding.decodeBase64String(rest)
    const text = decoded._tag === "Right" ? decoded.right : ""
    const colon = text.indexOf(":")
    if (colon !== -1) return { user: text.slice(0, colon), password: text.slice(colon + 1), token: "" }
  }
  return {
    user: Query.single(query, "user") ?? "",
    password: Query.single(query, "pass") ?? "",
    token: Query.single(query, "token") ?? Query.single(query, "jwt") ?? ""
  }
}

const RETRY_AFTER = 5

const unavailable = (error: unknown) =>
  Effect.zipRight(
    Effect.logError("a stream could not be looked for", error),
    Effect.fail(new Unavailable({ message: "it can't be said where streams are right now", retryAfter: RETRY_AFTER }))
  )

export const streamsGroup = HttpApiBuilder.group(ManagerApi, "streams", (handlers) =>
  Effect.gen(function* () {
    const topology = Option.getOrUndefined(yield* Effect.serviceOption(Topology))
    const registry = yield* NodeRegistry
    const fleet = yield* FleetState
    const policy = yield* AuthPolicy
    const access = yield* Access.Access
    const none = new NotFound({
      message: "this manager does not know where its nodes are: it was put together without it"
    })

    const ask = Effect.fnUntraced(function* (
      request: HttpServerRequest.HttpServerRequest,
      question: {
        readonly node: NodeId | undefined
        readonly path: string
        readonly protocol: ViewerProtocol
        readonly query: string
      }
    ) {
      const viewer = viewerOf(request.headers["authorization"], Query.parse(question.query))
      const decision = yield* policy.decide({
        ...question,
        action: "read",
        ip: Option.getOrElse(request.remoteAddress, () => ""),
        user: viewer.user,
        password: Redacted.make(viewer.password),
        token: Redacted.make(viewer.token),
        query: Redacted.make(question.query),
        id: null,
        userAgent: request.headers["user-agent"] ?? ""
      })
      if (decision._tag === "Allow") return
      const anonymous = viewer.user === "" && viewer.password === "" && viewer.token === ""
      if (decision._tag === "Ask" || (anonymous && canPrompt(question.protocol))) {
        return yield* new Unauthorized({ message: decision.reason })
      }
      return yield* new Forbidden({ message: decision.reason })
    })

    /** People at the dashboard see where every stream is. */
    const hasSession = (request: HttpServerRequest.HttpServerRequest) =>
      sessionIn(request.headers["cookie"]) === undefined
        ? Effect.succeed(false)
        : Effect.isSuccess(
            access.operator(
              {
                method: request.method,
                path: "/streams",
                header: (name) => request.headers[name],
                presented: undefined
              },
              undefined
            )
          )

    return handlers
      .handleRaw("locate", ({ request, urlParams }) =>
        Effect.gen(function* () {
          if (topology === undefined) return yield* none
          const { access: who, nearHeader } = topology.current().locator
          const { own, path: escaped } = split(request.url)
          // Names of paths need no escapes, but a client may write them.
          const path = Option.getOrElse(Option.liftThrowable(decodeURIComponent)(escaped), () => escaped)
          if (staticPathNameProblem(path) !== undefined) {
            return yield* invalidField("request", "path", "is not the name of a path", "such as cam/1")
          }
          const atDashboard = yield* hasSession(request)
          if (who === "key" && !atDashboard) {
            yield* access.admin(Access.fromAuthorization(request.headers["authorization"]), undefined)
          }
          const protocol = urlParams.protocol ?? "hls"
          const near = [urlParams.near, nearHeader === undefined ? undefined : request.headers[nearHeader]]
            .flatMap((text) => (text ?? "").split(","))
            .map((text) => text.trim())
            .filter((text) => text !== "")
            .slice(0, 10)
          const wantsJson =
            urlParams.format === "json" ||
            (urlParams.format === undefined && (request.headers["accept"] ?? "").startsWith("application/json"))
          const found = yield* StreamLocator.locate(
            { topology, registry, fleet },
            { path, protocol, near, query: own, all: wantsJson }
          ).pipe(Effect.catchAll(unavailable))
          const [best, ...others] = found.streams
          // Who may not read it is not told whether there is any.
          if (who === "policy" && !atDashboard) yield* ask(request, { node: best?.node, path, protocol, query: own })
          if (best === undefined) {
            if (!found.exists) return yield* new NotFound({ message: "there is no such stream" })
            if (found.unreachable) {
              return yield* new NotFound({
                message: `no node offers it by ${protocol}: the protocol is off, or nothing says where the nodes are reached`
              })
            }
            return yield* new Unavailable({ message: "no live node has the stream right now", retryAfter: RETRY_AFTER })
          }
          return wantsJson
            ? HttpServerResponse.unsafeJson({ path, protocol, streams: [best, ...others] }, { headers })
            : HttpServerResponse.empty({ status: 302, headers: { ...headers, location: best.url } })
        })
      )
      .handle("groups", () => (topology === undefined ? Effect.succeed([]) : topology.groups))
  })
)
