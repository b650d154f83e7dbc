import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { expect, it } from "vitest"
import { parse } from "yaml"
import { variables } from "../../src-sidecar/updater/Settings.js"

/** The part of the Compose Specification that the example uses; anything else in it is a mistake. */
const Seconds = Schema.String.pipe(Schema.pattern(/^\d+(?:ms|s|m|h)$/))
const Service = Schema.Struct({
  image: Schema.optional(Schema.String.pipe(Schema.pattern(/^[a-z0-9._/-]+:[\w.-]+$/))),
  build: Schema.optional(Schema.Struct({ context: Schema.String, dockerfile: Schema.String })),
  working_dir: Schema.optional(Schema.String),
  volumes: Schema.optional(Schema.Array(Schema.String.pipe(Schema.pattern(/^[^:]+:\/[^:]*(?::ro)?$/)))),
  command: Schema.optional(Schema.Array(Schema.String)),
  environment: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  healthcheck: Schema.optional(
    Schema.Struct({ test: Schema.Array(Schema.String), interval: Seconds, timeout: Seconds, retries: Schema.Int })
  ),
  depends_on: Schema.optional(
    Schema.Record({ key: Schema.String, value: Schema.Struct({ condition: Schema.Literal("service_healthy") }) })
  ),
  restart: Schema.Literal("always", "unless-stopped"),
  ports: Schema.optional(
    Schema.Array(Schema.String.pipe(Schema.pattern(/^(?:\d{1,3}(?:\.\d{1,3}){3}:)?\d{1,5}:\d{1,5}(?:\/(?:tcp|udp))?$/)))
  )
})
const Compose = Schema.Struct({
  services: Schema.Record({ key: Schema.String, value: Service }),
  volumes: Schema.Record({ key: Schema.String, value: Schema.Null })
})

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8")
const compose = Schema.decodeUnknownSync(Compose, { onExcessProperty: "error" })(
  parse(read("examples/compose/updater.yml"))
)
const dockerfile = read("docker/updater.Dockerfile")
const { mediamtx, updater } = compose.services

it("examples/compose/updater.yml is a valid compose file", () => {
  expect(Object.keys(compose.services)).toEqual(["manager", "updater", "mediamtx"])
  for (const service of Object.values(compose.services)) {
    expect(service.image === undefined).toBe(service.build !== undefined)
    for (const name of Object.keys(service.depends_on ?? {})) {
      expect(compose.services[name]?.healthcheck).toBeDefined()
    }
    for (const volume of service.volumes ?? []) {
      const [source = ""] = volume.split(":")
      if (!source.startsWith(".")) expect(Object.keys(compose.volumes)).toContain(source)
    }
  }
})

it("MediaMTX reads, from the volume that the updater writes, the file that it writes", () => {
  const config = variables.find(([name]) => name === "CONFIG")?.[1]
  expect(mediamtx?.command).toEqual([config])
  expect(updater?.volumes).toEqual(["config_data:/config"])
  expect(mediamtx?.volumes).toEqual(["config_data:/config:ro"])
})

it("the updater's settings are settings, and are what the docs say", async () => {
  const names = variables.map(([name]) => name)
  for (const variable of Object.keys(updater?.environment ?? {})) expect(names).toContain(variable)
  const rows = [...read("docs/updater.md").matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \|/gm)].map(([, ...row]) => row)
  expect(rows).toEqual(variables.map(([name, fallback]) => [name, fallback]))
})

it("the manager's settings are settings", async () => {
  const { settingTable } = await import("../../src/cli/Settings.js")
  const known: ReadonlyArray<string> = Object.values(settingTable).map(({ variable }) => variable)
  for (const variable of Object.keys(compose.services["manager"]?.environment ?? {})) expect(known).toContain(variable)
})

it("the health check runs the file that the image has", () => {
  const file = updater?.healthcheck?.test.find((word) => word.startsWith("/"))
  expect(dockerfile).toContain(`COPY --from=build /out/mtx-updater.mjs ${file}`)
  expect(dockerfile).toMatch(new RegExp(`^ENTRYPOINT \\[.*"${file}"\\]$`, "m"))
})
