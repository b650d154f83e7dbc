/**
 * The least: one config, served to whoever fetches it.
 *
 * A node starts with
 *
 *   wget -O /etc/mediamtx.yml.new https://example.com/ && mv /etc/mediamtx.yml.new /etc/mediamtx.yml
 *   /mediamtx /etc/mediamtx.yml
 *
 * Anything that runs Hono can serve the app: `serve(app)` of @hono/node-server, or a Worker as it is.
 */
import type { MediaMTXConfig } from "@livecams/mtx-manager"
import { handler } from "@livecams/mtx-manager/hono"
import { Hono } from "hono"

const config = {
  rtmp: false,
  srt: false,
  paths: {
    lobby: { record: true, recordDeleteAfter: "7d" },
    roof: { source: "rtsp://192.0.2.10/stream", sourceOnDemand: true }
  }
} satisfies MediaMTXConfig

const app = new Hono()
app.route("/", handler(config))

export default app
