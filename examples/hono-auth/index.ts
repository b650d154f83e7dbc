/**
 * As hono-hooks, and the nodes ask who may do what.
 */
import type { MediaMTXConfig } from "@livecams/mtx-manager"
import { http } from "@livecams/mtx-manager/auth"
import { handler } from "@livecams/mtx-manager/hono"
import { busybox } from "@livecams/mtx-manager/hooks"
import { Hono } from "hono"

const hooks = busybox({ base: "https://example.com/hooks" })
const auth = http({ base: "https://example.com/auth" })

const config = {
  ...hooks.global,
  ...auth.global,
  pathDefaults: hooks.path,
  paths: { lobby: {}, roof: {} }
} satisfies MediaMTXConfig

/** Who is who. Yours would ask a database: the function may be async. */
const publishers: ReadonlyMap<string, string> = new Map([["encoder", "a-long-random-password"]])

const app = new Hono()
app.route(
  "/",
  handler(config, {
    on: (_scope, event, payload) => console.log(event, payload),
    auth: async ({ action, actor, payload }) => {
      // Everybody may watch the lobby; the roof is for those with a ticket in the URL.
      if (action === "read") return payload.path === "lobby" || payload.query["ticket"] === "t-1"
      if (action === "publish") return actor.password !== "" && publishers.get(actor.user) === actor.password
      // api, metrics, pprof and playback: nobody. Throwing, and taking more than two seconds, deny as well.
      return false
    }
  })
)

export default app
