/** Apps on real sockets, and what nodes send to them. */
import * as Http from "node:http"
import { serve } from "@hono/node-server"
import type { Hono } from "hono"
import { onTestFinished } from "vitest"

export const KEY = "key-of-the-hono-tests"

/** Serves an app until the test is over. */
export const listen = (app: {
  readonly fetch: Hono["fetch"]
}): Promise<{ readonly url: string; readonly port: number }> =>
  new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      resolve({ url: `http://127.0.0.1:${port}`, port })
    )
    onTestFinished(() => {
      server.close()
      if (server instanceof Http.Server) server.closeAllConnections()
    })
  })

export const bearer = (secret: string = KEY) => ({ authorization: `Bearer ${secret}` })

/** The body of an auth call as MediaMTX sends it. */
export const authBody = (over: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({
    ip: "203.0.113.9",
    user: "",
    password: "",
    token: "",
    action: "read",
    path: "cam",
    protocol: "rtsp",
    id: "8d9e0f1a-0000-4000-8000-000000000001",
    query: "",
    userAgent: "",
    ...over
  })

export const authCall = (over: Readonly<Record<string, unknown>> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: authBody(over)
})

export const hookCall = (form: string, headers: Readonly<Record<string, string>> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  body: form
})

/** Collects log messages: the layer for `logger`, and what came. */
export { capture } from "./Capture.js"
