/** Ours in Hono on @hono/node-server: `node bench/hono-app.mjs handler|manager FILE` prints `listening on PORT`. */
import { serve } from "@hono/node-server"
import { Hono } from "hono"
import { handler, manager } from "../dist/hono.js"
import { sqlite } from "../dist/node.js"
import { KEY, makeAuth } from "./peers/decide.mjs"

const { decide, heard } = makeAuth()
const paths = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`cams/${i}`, { record: true }]))
const [kind, file] = process.argv.slice(2)
const ours =
  kind === "handler"
    ? handler({ paths }, { key: KEY, auth: decide, on: heard })
    : manager({ base: "http://127.0.0.1", key: KEY, config: { paths }, auth: decide, state: sqlite({ file }) })
const app = new Hono().route("/", ours)
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, (info) => console.log(`listening on ${info.port}`))
