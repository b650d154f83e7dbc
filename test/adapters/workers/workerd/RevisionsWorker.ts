/** A Worker for the tests: a manager whose config is in revisions, with state where `STATE` says. */
import { manager } from "@livecams/mtx-manager/hono"
import { type D1Database, managerObject, type ObjectNamespace, worker } from "@livecams/mtx-manager/workers"

interface Env {
  readonly MANAGER: ObjectNamespace
  readonly DB: D1Database
  readonly STATE: "object" | "d1"
}

export const ManagerObject = managerObject((env: Env, object) =>
  manager({
    base: "https://fleet.test",
    key: "shared-key",
    state: object.state({ database: env.STATE === "d1" ? env.DB : undefined }),
    configSource: "revisions",
    config: { logLevel: "info", paths: { cam: {} } },
    labels: { "eu-*": { region: "eu" } },
    overlays: [{ name: "europe", nodes: "region=eu", config: { logLevel: "warn" } }]
  })
)

const entry = worker((env: Env) => env.MANAGER)
// biome-ignore lint/style/noDefaultExport: the runtime wants it so
export default entry
