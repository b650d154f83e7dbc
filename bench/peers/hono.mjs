/** Peer: Hono by hand on @hono/node-server. `node bench/peers/hono.mjs FILE` prints `listening on PORT`. */
import { serve } from "@hono/node-server"
import { Hono } from "hono"
import { makeWork, sampleConfig } from "./work.mjs"

const work = makeWork(process.argv[2], sampleConfig())
const app = new Hono()
const queryOf = (c) => {
  const at = c.req.url.indexOf("?")
  return at < 0 ? "" : c.req.url.slice(at + 1)
}

app.post("/auth", async (c) => c.body(null, work.auth(queryOf(c), await c.req.text())))
app.post("/hooks", async (c) => c.body(null, work.hook(queryOf(c), c.req.header("authorization"), await c.req.text())))
app.get("/", (c) => {
  const answer = work.config(queryOf(c), c.req.header("authorization"), c.req.header("if-none-match"))
  if (answer.status === 200) return c.body(answer.bytes, 200, { "Content-Type": "text/yaml", ETag: answer.etag })
  return c.body(null, answer.status, answer.etag === undefined ? {} : { ETag: answer.etag })
})
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, (info) => console.log(`listening on ${info.port}`))
