import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { NodeId, nodeCommand } from "@livecams/mtx-manager"
import { Schema } from "effect"
import { expect, it } from "vitest"
import { parse } from "yaml"

/** The part of the Compose Specification that the example uses; anything else in it is a mistake. */
const Port = Schema.String.pipe(Schema.pattern(/^(?:\d{1,3}(?:\.\d{1,3}){3}:)?\d{1,5}:\d{1,5}(?:\/(?:tcp|udp))?$/))
const Service = Schema.Struct({
  image: Schema.String.pipe(Schema.pattern(/^[a-z0-9._/-]+:[\w.-]+$/)),
  working_dir: Schema.optional(Schema.String),
  volumes: Schema.optional(Schema.Array(Schema.String.pipe(Schema.pattern(/^[^:]+:\/[^:]*(?::ro)?$/)))),
  entrypoint: Schema.optional(Schema.Array(Schema.String)),
  command: Schema.optional(Schema.Array(Schema.String)),
  environment: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  healthcheck: Schema.optional(
    Schema.Struct({
      test: Schema.Array(Schema.String),
      interval: Schema.String.pipe(Schema.pattern(/^\d+(?:ms|s|m|h)$/))
    })
  ),
  restart: Schema.Literal("always", "unless-stopped"),
  ports: Schema.optional(Schema.Array(Port))
})
const Compose = Schema.Struct({
  services: Schema.Record({ key: Schema.String, value: Service }),
  volumes: Schema.Record({ key: Schema.String, value: Schema.Null })
})

const text = readFileSync(fileURLToPath(new URL("../../examples/compose/compose.yml", import.meta.url)), "utf8")
const compose = Schema.decodeUnknownSync(Compose, { onExcessProperty: "error" })(parse(text))

it("examples/compose is a valid compose file", () => {
  expect(Object.keys(compose.services)).toEqual(["manager", "cam-1"])
  for (const service of Object.values(compose.services)) {
    for (const volume of service.volumes ?? []) {
      const [source = ""] = volume.split(":")
      if (!source.startsWith(".")) expect(Object.keys(compose.volumes)).toContain(source)
    }
  }
})

it("its node runs what node-command prints", () => {
  const node = NodeId.make("cam-1")
  const shell = nodeCommand("shell", { base: "http://manager:8080", node, secret: "PLACEHOLDER-OF-THE-KEY" })
  const [script = ""] = compose.services["cam-1"]?.command ?? []
  expect(`sh -c '${script.replace("${MANAGER_KEY}", "PLACEHOLDER-OF-THE-KEY")}'`).toBe(shell)
})

it("its manager settings are settings", async () => {
  const { settingTable } = await import("../../src/cli/Settings.js")
  const known: ReadonlyArray<string> = Object.values(settingTable).map(({ variable }) => variable)
  for (const variable of Object.keys(compose.services["manager"]?.environment ?? {})) expect(known).toContain(variable)
})
