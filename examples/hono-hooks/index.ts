/**
 * A config whose nodes report what happens on them, and a function that hears it.
 *
 * The commands are for `busybox`, which MediaMTX's ffmpeg image has; `curl` is another generator, and your own is a plain
 * function of the same type.
 */
import type { MediaMTXConfig } from "@livecams/mtx-manager"
import { handler } from "@livecams/mtx-manager/hono"
import { busybox, defaultHookConfiguration } from "@livecams/mtx-manager/hooks"
import { Hono } from "hono"

const hooks = busybox({
  base: "https://example.com/hooks",
  ...defaultHookConfiguration,
  // Not worth a process for each viewer that comes and goes.
  read: false,
  unread: false
})

const config = {
  ...hooks.global,
  pathDefaults: { record: true, ...hooks.path },
  paths: { lobby: {}, roof: {} }
} satisfies MediaMTXConfig

/** The newest segment of each path: what a program of yours might do with events. */
export const newest = new Map<string, { readonly file: string; readonly seconds: number }>()

const app = new Hono()
app.route(
  "/",
  handler(config, {
    on: (scope, event, payload) => {
      // A check of the event says what comes with it.
      if (event === "record_segment_complete") {
        newest.set(payload.path, { file: payload.segmentPath, seconds: payload.segmentDuration })
      }
      if (scope === "global") console.log(`${payload.type} ${payload.id}: ${event}`)
    }
  })
)

export default app
