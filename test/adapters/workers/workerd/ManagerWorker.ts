/** A Worker for the tests: a manager below `/mtx`, with state where `STATE` says, in a hurry to let nodes expire. */
import { manager, path } from "@livecams/mtx-manager/hono"
import { memory } from "@livecams/mtx-manager/storage"
import { type D1Database, managerObject, type ObjectNamespace, rules, worker } from "@livecams/mtx-manager/workers"
import { Hono } from "hono"

interface Env {
  readonly MANAGER: ObjectNamespace
  readonly DB: D1Database
  readonly STATE: "object" | "d1"
  readonly SECRET: string
  /** In a hurry to end clip jobs, too. */
  readonly HURRY: boolean
}

const Managed = managerObject((env: Env, object) => {
  const mtx = manager({
    base: "https://fleet.test/mtx",
    key: "shared-key",
    state: object.state({
      heartbeats: { interval: "500 millis", staleAfter: 2, offlineAfter: 4, tolerance: 0 },
      database: env.STATE === "d1" ? env.DB : undefined
    }),
    playback: env.HURRY ? { lease: "1 second", maxAttempts: 1, expireAfter: "3 seconds" } : undefined,
    storage: (bindings: Env) => memory({ bucket: bindings.STATE }),
    config: {
      paths: {
        cam: path({
          record: true,
          recordPath: "/recordings/%path/%Y-%m-%d_%H-%M-%S-%f",
          // The recording of the test is old.
          recordDeleteAfter: "0s"
        })
      }
    },
    addresses: { "*": "{node}.fleet.test" },
    groups: [{ name: "pair", primary: "ha-1", fallbacks: ["ha-2"] }],
    locator: { access: "key" },
    auth: rules({
      users: [{ name: "cam", secret: env.SECRET }],
      rules: [
        { allow: ["publish"], users: ["cam"] },
        { allow: ["playback.request"], paths: ["cam"] },
        { deny: ["playback.request"], ips: ["203.0.113.66"] },
        { allow: ["playback.worker"], nodes: ["n1"] }
      ]
    })
  })
  const app = new Hono()
  app.get("/hello", (c) => c.text("from the app around it"))
  app.route("/mtx", mtx)
  return { fetch: (request, bindings) => app.fetch(request, bindings), ready: mtx.ready }
})

/** Says when it was woken, which a test can't ask without waking it. */
export class ManagerObject extends Managed {
  override async alarm(): Promise<void> {
    await super.alarm()
    console.log("the alarm has been served")
  }
}

const entry = worker((env: Env) => env.MANAGER)
// biome-ignore lint/style/noDefaultExport: the runtime wants it so
export default entry
