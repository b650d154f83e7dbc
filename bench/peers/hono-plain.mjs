/**
 * Peer of `handler`: Hono by hand on @hono/node-server, without storage: same checks, same answers, and an async function
 * that hears of events. `node bench/peers/hono-plain.mjs` prints `listening on PORT`.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { serve } from "@hono/node-server"
import { Hono } from "hono"
import { KEY as key, makeAuth } from "./decide.mjs"

const equal = (a, b) => {
  const left = createHash("sha256").update(a).digest()
  const right = createHash("sha256").update(b).digest()
  return timingSafeEqual(left, right)
}
const isString = (value) => typeof value === "string"
const actions = new Set(["publish", "read", "playback", "api", "metrics", "pprof"])
const protocols = new Set(["", "rtsp", "rtmp", "hls", "webrtc", "srt", "moq"])
const events = new Set(["available", "unavailable", "online", "offline", "read", "unread"])
const { decide, heard } = makeAuth()

const app = new Hono()
app.post("/auth", async (c) => {
  const token = c.req.query("token")
  if (token === undefined || !equal(token, key)) return c.body(null, 401)
  const request = await c.req.json().catch(() => undefined)
  if (
    request === null ||
    typeof request !== "object" ||
    !isString(request.ip) ||
    !isString(request.user) ||
    !isString(request.password) ||
    !isString(request.token) ||
    !actions.has(request.action) ||
    !isString(request.path) ||
    !protocols.has(request.protocol) ||
    !(request.id === null || isString(request.id)) ||
    !isString(request.query) ||
    !isString(request.userAgent)
  )
    return c.body(null, 400)
  const query = Object.fromEntries(new URLSearchParams(request.query))
  const allowed = await Promise.race([
    decide({
      action: request.action,
      actor: { ...request, token: request.token === request.password ? "" : request.token },
      payload: { path: request.path, protocol: request.protocol, query }
    }),
    // Anybody who gives a deadline needs a timer.
    new Promise((resolve) => setTimeout(resolve, 2000, false).unref())
  ])
  if (allowed) return c.body(null, 204)
  return c.body(null, request.user === "" && request.password === "" && request.token === "" ? 401 : 403)
})
app.post("/hooks", async (c) => {
  if (!equal((c.req.header("authorization") ?? "").slice(7), key)) return c.body(null, 401)
  const form = new URLSearchParams(await c.req.text())
  const event = form.get("event")
  const path = form.get("path")
  const type = form.get("type")
  const id = form.get("id")
  if (!events.has(event) || path === null || type === null || id === null) return c.body(null, 400)
  await heard("path", event, {
    path,
    type,
    id,
    query: Object.fromEntries(new URLSearchParams(form.get("query") ?? ""))
  })
  return c.body(null, 204)
})
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, (info) => console.log(`listening on ${info.port}`))
