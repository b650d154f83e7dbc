/** A manager on Cloudflare Workers: everything in one Durable Object, with state in its SQLite. */
import { manager, path } from "@livecams/mtx-manager/hono"
import { managerObject, type ObjectNamespace, rules, worker } from "@livecams/mtx-manager/workers"

/** The bindings and variables of wrangler.jsonc, and the secrets beside it. */
interface Env {
  readonly MANAGER: ObjectNamespace
  /** Where nodes reach this Worker. */
  readonly BASE: string
  readonly KEY: string
  readonly ADMIN_KEY?: string
  /** `sha256:` and the digest of a long random password, for cameras that publish. */
  readonly PUBLISHER: string
}

export const ManagerObject = managerObject((env: Env, object) =>
  manager({
    base: env.BASE,
    key: env.KEY,
    adminKey: env.ADMIN_KEY,
    state: object.state({ retention: { maxAge: "7 days" } }),
    config: {
      paths: {
        // Fetched from the camera for as long as somebody watches.
        yard: path({ source: "rtsp://192.0.2.10/stream", sourceOnDemand: true }),
        // Published by whoever has the password.
        studio: path({})
      }
    },
    auth: rules({
      users: [{ name: "studio", secret: env.PUBLISHER }],
      rules: [{ allow: ["publish"], paths: ["studio"], users: ["studio"] }, { allow: ["read"] }]
    })
  })
)

export default worker((env: Env) => env.MANAGER)
