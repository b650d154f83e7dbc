/**
 * The whole manager in a Hono app: configs, auth, hooks, which node is alive, what is on it, clips of what was recorded, and
 * an API for all of that.
 *
 * A node starts with what `npx @livecams/mtx-manager node-command NAME --base https://example.com` prints.
 * `createApp` takes the place of module-level state, so that a test can make as many as it likes.
 */
import { manager, path } from "@livecams/mtx-manager/hono"
import type { Storage } from "@livecams/mtx-manager/storage"
import { regex } from "arkregex"
import { Hono } from "hono"

export interface Settings {
  /** As nodes reach it. */
  readonly base: string
  /** The secret that nodes boot with. */
  readonly key: string
  /** Where clips go: `s3({...})`, or `filesystem({ folder: "data/clips" })` for as long as one machine will do. */
  readonly storage: Storage
  /** Told when nodes come and go. */
  readonly announce: (message: string) => void
}

export const createApp = ({ announce, base, key, storage }: Settings) => {
  const mediamtx = manager({
    base,
    key,
    storage,
    config: {
      playback: true,
      paths: {
        // Named by its key, by a text, by a pattern.
        lobby: path({ record: true }),
        roof: path("outside/roof", {}),
        guests: path(regex("guest_(.*)"), { maxReaders: 20 })
      }
    },
    // What one node has on top.
    nodes: { "cellar-1": { rtmp: false, paths: { cellar: path({ source: "rtsp://192.0.2.11/stream" }) } } },
    auth: ({ action, actor, payload }) => {
      // The workers that cut clips have shown the key of their node by now.
      if (action === "read" || action === "playback.worker") return true
      // They read the recording from the node, where they log in: MEDIAMTX_USER and MEDIAMTX_PASSWORD.
      if (action === "playback") return actor.user === "mtx-playback" && actor.password === "worker-password"
      if (action !== "publish") return false
      // Names of paths are checked by the compiler: "outside/rooof" would be an error.
      return payload.path === "outside/roof" ? actor.user === "roof-camera" : actor.token === "guest-token"
    },
    on: (store) => {
      const online = store.select(
        (context) => context.nodes.filter((node) => node.status === "online").map((node) => node.id),
        (previous, next) => previous.join() !== next.join()
      )
      online.subscribe((ids) => announce(`online: ${ids.join(", ")}`))
    }
  })

  const app = new Hono()
  app.get("/on-air", (c) => c.json(mediamtx.store.getSnapshot().context.paths.filter((each) => each.available)))
  app.get("/lobby-a-minute-ago", async (c) => {
    // Waits for a worker beside a node; docs/playback-worker.md says how to run one.
    const window = { start: Date.now() - 60_000, duration: 10_000 }
    const clip = await mediamtx.playback.get("lobby", { ...window, timeout: "50 seconds", signal: c.req.raw.signal })
    return c.redirect(clip.download.url)
  })
  app.route("/", mediamtx)
  return { app, mediamtx }
}

// To serve it: serve(createApp({ base, key, storage, announce: console.log }).app) with @hono/node-server, and
// `mediamtx.dispose()` when the process is to end.
