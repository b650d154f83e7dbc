/**
 * The small pieces without the manager: one config, a function that hears of events, a function that decides. No state.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import { type Context, Hono } from "hono"
import { fromAuthorization } from "../../api/Access.js"
import { type ApiError, MethodNotAllowed, NotFound, Unauthorized } from "../../api/ApiError.js"
import * as AuthCall from "../../api/AuthCall.js"
import * as ConfigReply from "../../api/ConfigReply.js"
import { internalError } from "../../api/Defect.js"
import { authBody, type HotRequest, hookBody, hookList, isHookList } from "../../api/HotRequest.js"
import * as HotResponse from "../../api/HotResponse.js"
import * as Query from "../../api/Query.js"
import { invalidField } from "../../api/RequestIssues.js"
import { repairUrl } from "../../api/UrlRepair.js"
import type { AuthRequestBody } from "../../mediamtx/AuthRequest.js"
import { plainSecret } from "../../mediamtx/CommandText.js"
import { InvalidConfig, makeIssue } from "../../mediamtx/ConfigIssue.js"
import { validateConfig } from "../../mediamtx/ConfigValidation.js"
import { END_MARKER } from "../../mediamtx/EndMarker.js"
import { plainConfig, type TypedConfig, type TypedPaths } from "../../mediamtx/TypedPath.js"
import { stringify, type YamlValue } from "../../mediamtx/Yaml.js"
import { sha256 } from "../../services/AuthPolicy/Sha256.js"
import type { AuthDecision } from "../../services/AuthPolicy.js"
import { equal } from "../../services/Credentials.js"
import { isNodeId, type NodeId } from "../../services/NodeId.js"
import { type Auth, toDecider } from "./AuthFunction.js"
import { hotRequest, readBody, send, unread } from "./Exchange.js"
import { type HookListener, hookArguments } from "./HookListener.js"
import { targetOf } from "./Mount.js"
import type { ConfigNames } from "./Names.js"

export interface HandlerOptions<Path extends string = string> {
  /** Hears of events, at `POST /hooks`. Absent: there is no such route. */
  readonly on?: HookListener<Path> | undefined
  /** Decides who may do what, at `POST /auth`. Absent: there is no such route. */
  readonly auth?: Auth<Path> | undefined
  /** Needed for all routes when given: as Bearer token, as password of Basic, or as `?token=`. */
  readonly key?: string | Redacted.Redacted | undefined
  /** How long `auth` may take, after which it denies (default 2 seconds; a number is milliseconds). */
  readonly deadline?: Duration.DurationInput | undefined
}

const encoder = new TextEncoder()

const emptyConfig = new InvalidConfig({
  issues: [
    makeIssue({
      severity: "error",
      rule: "empty-config",
      field: [],
      message: "sets nothing: MediaMTX would run on its defaults, open to everyone",
      expected: "at least one setting"
    })
  ]
})

/** The config's text, once and for all. */
const replies = (config: TypedConfig): ConfigReply.ConfigReplies => {
  const valid = validateConfig(plainConfig(config))
  if (Either.isLeft(valid)) throw valid.left
  // A validated config is plain data: objects, lists, strings, numbers, booleans.
  const text = stringify(valid.right.config as unknown as YamlValue)
  if (text === "{}\n") throw emptyConfig
  const bytes = encoder.encode(`${text}${END_MARKER}\n`)
  return ConfigReply.make({ bytes, etag: `"${Encoding.encodeHex(sha256(bytes))}"` })
}

const notFound = HotResponse.fromError(new NotFound({ message: "there is no such route" }))
const noCredential = HotResponse.fromError(
  new Unauthorized({
    message: "a credential is needed: Authorization: Bearer KEY, Basic with the key as password, or ?token="
  })
)
const unknownCredential = HotResponse.fromError(new Unauthorized({ message: "the credential is not the key" }))
const methods: Readonly<Record<string, ReadonlyArray<string>>> = {
  "/": ["GET", "HEAD"],
  "/hooks": ["POST"],
  "/auth": ["POST"]
}

const wrongMethod = (allow: ReadonlyArray<string>): HotResponse.HotResponse =>
  HotResponse.fromError(new MethodNotAllowed({ message: `this route takes ${allow.join(", ")}`, allow }))

/** The node that a call is about; it need not say. */
const nodeOf = (query: Query.Query): Either.Either<NodeId | undefined, ApiError> => {
  const node = query["node"]
  if (node === undefined) return Either.right(undefined)
  return typeof node === "string" && isNodeId(node)
    ? Either.right(node)
    : Either.left(
        invalidField(
          "request",
          "node",
          "is not valid",
          "one node id: 1 to 64 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit"
        )
      )
}

const refuse = (error: ApiError): HotResponse.HotResponse => HotResponse.fromError(error)

/** A bug in the user's function: logged under an id. */
const failure = (error: unknown): Promise<HotResponse.HotResponse> =>
  Effect.runPromise(Effect.map(internalError(Cause.fail(error)), refuse))

type Reply = HotResponse.HotResponse | Promise<HotResponse.HotResponse>

/**
 * Serves one config at `GET /`, and events and auth calls of the nodes that run it, as a Hono app to be mounted.
 *
 * @throws InvalidConfig, InvalidPath when MediaMTX would refuse the config
 * @example
 * ```ts
 * import { Hono } from "hono"
 * import { handler } from "@livecams/mtx-manager/hono"
 *
 * const app = new Hono()
 * app.route(
 *   "/",
 *   handler(
 *     { paths: { cam: {} } },
 *     { on: (scope, event, payload) => console.log(scope, event, payload) }
 *   )
 * )
 * ```
 */
export const handler = <const Paths extends TypedPaths = Record<never, never>>(
  config: TypedConfig<Paths>,
  options: HandlerOptions<ConfigNames<{ readonly paths: Paths }>> = {}
): Hono => {
  const config200 = replies(config)
  const key = options.key === undefined ? undefined : plainSecret("key", options.key)
  const decide = options.auth === undefined ? undefined : toDecider(options.auth, options.deadline)
  // Which names a path can have is a type only.
  const on = options.on as HookListener | undefined
  const routes = ["/", ...(on === undefined ? [] : ["/hooks"]), ...(decide === undefined ? [] : ["/auth"])]

  /** Why the caller may not, if they may not. */
  const refused = (c: Context, query: Query.Query): HotResponse.HotResponse | undefined => {
    if (key === undefined) return undefined
    const token = Query.single(query, "token")
    const secret =
      token !== undefined && token !== ""
        ? token
        : fromAuthorization(c.req.raw.headers.get("authorization") ?? undefined)?.secret
    if (secret === undefined) return noCredential
    return equal(secret, key) ? undefined : unknownCredential
  }

  /** One after the other, and none after one that failed. */
  const severalHooks = async (node: NodeId | undefined, request: HotRequest): Promise<HotResponse.HotResponse> => {
    const decoded = hookList(request)
    if (Either.isLeft(decoded)) return refuse(decoded.left)
    for (const event of decoded.right) await on?.(...hookArguments(node, event))
    return HotResponse.noContent
  }

  const hooks = (node: NodeId | undefined, request: HotRequest): Reply => {
    if (isHookList(request)) return severalHooks(node, request).catch(failure)
    const decoded = hookBody(request)
    if (Either.isLeft(decoded)) return refuse(decoded.left)
    try {
      const result = on?.(...hookArguments(node, decoded.right))
      return Predicate.isPromiseLike(result)
        ? Promise.resolve(result).then(() => HotResponse.noContent, failure)
        : HotResponse.noContent
    } catch (error) {
      return failure(error)
    }
  }

  const decided = (decision: AuthDecision, body: AuthRequestBody): HotResponse.HotResponse => {
    const denied = AuthCall.refusal(decision, body)
    return denied === undefined ? HotResponse.noContent : refuse(denied)
  }

  const late = async (decision: Promise<AuthDecision>, body: AuthRequestBody) => decided(await decision, body)

  const auth = (node: NodeId | undefined, request: HotRequest): Reply => {
    const decoded = authBody(request)
    if (Either.isLeft(decoded)) return refuse(decoded.left)
    const body = decoded.right
    if (decide === undefined) return notFound
    const decision = decide(node, body)
    return decision instanceof Promise ? late(decision, body) : decided(decision, body)
  }

  const give = (c: Context): HotResponse.HotResponse => {
    const condition = c.req.raw.headers.get("if-none-match")
    if (condition !== null && ConfigReply.matches(condition, etag)) return config200.unchanged
    return c.req.raw.method === "HEAD" ? config200.head : config200.ok
  }
  const etag = config200.unchanged.headers[1] ?? ""

  const answered = async (
    c: Context,
    answer: (node: NodeId | undefined, request: HotRequest) => Reply,
    node: NodeId | undefined,
    query: string
  ): Promise<Response> => {
    let body: HotRequest["body"]
    try {
      body = await readBody(c)
    } catch {
      return send(c, unread)
    }
    const reply = answer(node, hotRequest(c, query, body, 0))
    return send(c, reply instanceof Promise ? await reply : reply)
  }

  const serve = (c: Context, next: () => Promise<void>) => {
    const target = targetOf(c)
    const repaired = repairUrl(target.path)
    const [path, text] = repaired === target.path ? [target.path, target.query] : ["/", repaired.slice(2)]
    if (!routes.includes(path)) return target.prefix === "" ? next() : send(c, notFound)
    const { method } = c.req.raw
    const allow = methods[path] ?? []
    if (!allow.includes(method)) return send(c, wrongMethod(allow))
    const query = Query.parseRemembered(text)
    const refusal = refused(c, query)
    if (refusal !== undefined) return send(c, refusal)
    const node = nodeOf(query)
    if (Either.isLeft(node)) return send(c, refuse(node.left))
    if (path === "/") return send(c, give(c))
    return answered(c, path === "/auth" ? auth : hooks, node.right, text)
  }

  const app = new Hono()
  app.all("*", serve)
  app.notFound((c) => send(c, notFound))
  return app
}
