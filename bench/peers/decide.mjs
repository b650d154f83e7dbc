/** The user's functions of the Hono rows: the same for the peer and for ours. */
import { createHash, timingSafeEqual } from "node:crypto"
import { KEY, PASSWORD } from "./work.mjs"

export { KEY }

export const makeAuth = () => {
  const secret = createHash("sha256").update(PASSWORD).digest()
  let count = 0
  return {
    decide: async ({ action, actor, payload }) =>
      action === "read" &&
      payload.path.startsWith("cams/") &&
      actor.user === "viewer" &&
      timingSafeEqual(createHash("sha256").update(actor.password).digest(), secret),
    heard: async () => {
      count++
    },
    count: () => count
  }
}
