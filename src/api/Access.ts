/**
 * Decides who a request comes from and whether that is enough: the implementation behind `Security`'s tags and the hot
 * routes.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Credentials } from "../services/Credentials.js"
import { isNodeId, type NodeId } from "../services/NodeId.js"
import { mayActAs, Principal } from "../services/Principal.js"
import { Forbidden, Unauthorized } from "./ApiError.js"
import { foreign, type OperatorCall, sessionIn, viewerMay } from "./OperatorCall.js"
import { settled } from "./Settled.js"

/** A secret as it was presented, with the node that the caller says it is (Basic's user name), if it does. */
export interface Presented {
  readonly secret: string
  readonly user: string | undefined
}

export interface AccessShape {
  /** Who may act as `node`: its own token, the shared key, the admin key. */
  readonly node: (
    presented: Presented | undefined,
    node: NodeId | undefined
  ) => Effect.Effect<Principal, Unauthorized | Forbidden>
  /** As `node`, of a call that the node itself makes: it tells by which key it goes. */
  readonly caller: (
    presented: Presented | undefined,
    node: NodeId | undefined
  ) => Effect.Effect<Principal, Unauthorized | Forbidden>
  /** The node boots, and takes whatever it is given. */
  readonly booted: (node: NodeId) => void
  /** The admin key. `node` is the one that the request is about, if any. */
  readonly admin: (
    presented: Presented | undefined,
    node: NodeId | undefined
  ) => Effect.Effect<Principal, Unauthorized | Forbidden>
  /**
   * As `admin`, with what people have beside it: a session of the dashboard in a cookie, and, for what only tells, the
   * viewer key.
   */
  readonly operator: (
    call: OperatorCall,
    node: NodeId | undefined
  ) => Effect.Effect<Principal, Unauthorized | Forbidden>
  /** The key that is for metrics alone, or the admin key. */
  readonly metrics: (presented: Presented | undefined) => Effect.Effect<void, Unauthorized | Forbidden>
}

export class Access extends Context.Tag("mtx-manager/Access")<Access, AccessShape>() {}

/** Reads an `Authorization` header: Bearer, or Basic with the secret as the password. */
export const fromAuthorization = (header: string | undefined): Presented | undefined => {
  if (header === undefined) return undefined
  const space = header.indexOf(" ")
  const scheme = header.slice(0, space).toLowerCase()
  const rest = header.slice(space + 1).trim()
  if (rest === "") return undefined
  if (scheme === "bearer") return { secret: rest, user: undefined }
  if (scheme !== "basic") return undefined
  const decoded = Encoding.decodeBase64String(rest)
  if (decoded._tag === "Left") return undefined
  const colon = decoded.right.indexOf(":")
  if (colon === -1) return undefined
  const secret = decoded.right.slice(colon + 1)
  return secret === "" ? undefined : { secret, user: decoded.right.slice(0, colon) }
}

/** Length of a node token: 32 bytes in base64url. */
const TOKEN_LENGTH = 43
/** How many nodes are remembered to tell a wrong node's token from an unknown one. */
const REMEMBERED = 1_000

const lookOnly = new Forbidden({ message: "the viewer key is for looking: this needs the admin key" })

export const make = Effect.gen(function* () {
  const credentials = yield* Credentials
  /** Nodes whose tokens were used here, newest last: only to word a refusal. */
  const seen = new Set<NodeId>()

  const remember = (node: NodeId) => {
    if (seen.has(node)) return
    if (seen.size >= REMEMBERED) for (const oldest of seen) if (seen.delete(oldest)) break
    seen.add(node)
  }

  const missing = Effect.fail(
    new Unauthorized({
      message: "a credential is needed: Authorization: Bearer KEY, or Basic with the key as password"
    })
  )

  /** Whose token it is after all, so that a config that was copied to another machine is told what is wrong. */
  const owner = Effect.fnUntraced(function* (presented: Presented) {
    if (presented.user !== undefined && isNodeId(presented.user)) {
      const principal = yield* credentials.verify(presented.secret, presented.user)
      if (Option.isSome(principal) && principal.value._tag === "Node") return principal.value.node
    }
    if (presented.secret.length !== TOKEN_LENGTH) return undefined
    let found: NodeId | undefined
    // Every remembered node is compared, whatever matches: the time tells nothing.
    for (const node of seen) {
      if (Option.isSome(yield* credentials.verify(presented.secret, node))) found = node
    }
    return found
  })

  const refuse = Effect.fnUntraced(function* (presented: Presented, node: NodeId | undefined) {
    const other = yield* owner(presented)
    if (other === undefined) {
      return yield* new Unauthorized({
        message:
          node === undefined
            ? "the credential is not known, or it is a node's token and the request names no node"
            : `the credential is neither a key nor the token of node ${node}`
      })
    }
    return yield* new Forbidden({
      message:
        node === undefined
          ? `this is the token of node ${other}: it gives no rights here`
          : `this is the token of node ${other}, and the request is about node ${node}`
    })
  })

  const nodeAccess: AccessShape["node"] = (presented, node) => {
    if (presented === undefined) return missing
    const verified = credentials.verify(presented.secret, node)
    // Settled at once for every token that was derived before: no fiber is needed then.
    const known = settled(verified)
    if (known !== undefined && Option.isSome(known.value)) {
      const principal = known.value.value
      if (principal._tag === "Node") remember(principal.node)
      return Exit.succeed(principal)
    }
    return Effect.flatMap(verified, (principal) => {
      if (Option.isNone(principal)) return refuse(presented, node)
      if (principal.value._tag === "Node") remember(principal.value.node)
      // Credentials gives a Node principal for the node that was asked for only; this is the belt to those braces.
      return node === undefined || mayActAs(principal.value, node)
        ? Effect.succeed(principal.value)
        : Effect.fail(new Forbidden({ message: `this credential is not for node ${node}` }))
    })
  }

  const { rotation } = credentials
  const caller: AccessShape["caller"] =
    rotation === undefined
      ? nodeAccess
      : (presented, node) =>
          Effect.tap(nodeAccess(presented, node), () =>
            presented !== undefined && node !== undefined && rotation.note(presented.secret, node)
              ? Effect.logInfo(
                  `node ${node} goes by the previous key, until it boots with what node-command ${node} prints now`
                )
              : Effect.void
          )

  const admin: AccessShape["admin"] = (presented, node) =>
    Effect.flatMap(nodeAccess(presented, node), (principal) => {
      switch (principal._tag) {
        case "Admin":
          return Effect.succeed(principal)
        case "Fleet":
          return Effect.fail(new Forbidden({ message: "the shared key is for nodes: this needs the admin key" }))
        case "Viewer":
          return Effect.fail(lookOnly)
        case "Node":
          return Effect.fail(
            new Forbidden({ message: `this is the token of node ${principal.node}: this needs the admin key` })
          )
      }
    })

  const viewer = (call: OperatorCall) => (viewerMay(call) ? Effect.succeed(Principal.Viewer()) : Effect.fail(lookOnly))

  const operator: AccessShape["operator"] = (call, node) => {
    const { sessions } = credentials
    const { presented } = call
    if (presented !== undefined) {
      return sessions?.roleOf(presented.secret) === "viewer" ? viewer(call) : admin(presented, node)
    }
    const text = sessionIn(call.header("cookie"))
    if (text === undefined || sessions === undefined) return missing
    return Effect.flatMap(sessions.verify(text), (session): Effect.Effect<Principal, Unauthorized | Forbidden> => {
      if (Option.isNone(session)) return Effect.fail(new Unauthorized({ message: "the session has ended: log in" }))
      const reason = foreign(call)
      if (reason !== undefined) return Effect.fail(new Forbidden({ message: reason }))
      return session.value.role === "admin" ? Effect.succeed(Principal.Admin()) : viewer(call)
    })
  }

  const metrics: AccessShape["metrics"] = (presented) =>
    presented !== undefined && credentials.mayScrape?.(presented.secret) === true
      ? Effect.void
      : Effect.asVoid(admin(presented, undefined))

  return Access.of({ node: nodeAccess, caller, booted: (node) => rotation?.booted(node), admin, operator, metrics })
})

export const layer: Layer.Layer<Access, never, Credentials> = Layer.effect(Access, make)
