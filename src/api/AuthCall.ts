/** Between MediaMTX's auth call and an AuthPolicy: the question, and what the decision is to the node. */
import type { AuthRequestBody } from "../mediamtx/AuthRequest.js"
import type { AuthDecision, PlainAuthRequest } from "../services/AuthPolicy.js"
import { outcomeOf } from "../services/DecisionLog.js"
import type { NodeId } from "../services/NodeId.js"
import { Forbidden, Unauthorized } from "./ApiError.js"

/** The question that a policy gets for a call. */
export const question = (node: NodeId | undefined, body: AuthRequestBody): PlainAuthRequest => ({
  node,
  action: body.action,
  path: body.path,
  protocol: body.protocol,
  ip: body.ip,
  user: body.user,
  password: body.password,
  // MediaMTX repeats the password there when no token was given.
  token: body.token === body.password ? "" : body.token,
  query: body.query,
  id: body.id,
  userAgent: body.userAgent
})

/**
 * What a decision is to the node; undefined when the client may. `Unauthorized` makes the node ask its client for
 * credentials: wanted where there were none and the protocol can ask.
 */
export const refusal = (decision: AuthDecision, body: AuthRequestBody): Unauthorized | Forbidden | undefined => {
  const anonymous = body.user === "" && body.password === "" && body.token === ""
  switch (outcomeOf(decision, anonymous, body.protocol)) {
    case "allow":
      return undefined
    case "ask":
      return new Unauthorized({ message: decision.reason })
    case "deny":
      return new Forbidden({ message: decision.reason })
  }
}
