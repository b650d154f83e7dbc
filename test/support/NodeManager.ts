/** The prebuilt Node server as a layer, on a folder of its own that goes with it. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { ManagerLayer } from "@livecams/mtx-manager/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { tempFolder } from "./Manager.js"

export const nodeManager = (options: {
  readonly key: string
  readonly base: string
  /** `manager.yml`; none when absent. */
  readonly managerYml?: string
  readonly server: Pick<ManagerLayer.ManagerOptions, "port" | "requestWithin" | "headersWithin" | "trustedProxies">
}) =>
  Layer.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(Effect.sync(tempFolder), (folder) => Effect.sync(folder.remove)),
      ({ path }) => {
        const config = join(path, "config")
        const rules = join(config, "manager.yml")
        mkdirSync(config)
        writeFileSync(join(config, "base.yml"), "paths:\n  cam:\n")
        if (options.managerYml !== undefined) writeFileSync(rules, options.managerYml)
        return ManagerLayer.layer({
          ...options.server,
          base: options.base,
          key: Redacted.make(options.key),
          config,
          rules,
          database: join(path, "manager.db")
        })
      }
    )
  ).pipe(Layer.provide(NodeContext.layer))
