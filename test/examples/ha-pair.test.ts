import { cpSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { NodeContext } from "@effect/platform-node"
import { NodeId, nodeCommand, parseConfigText, validateConfig } from "@livecams/mtx-manager"
import { ManagerLayer, NodeServer } from "@livecams/mtx-manager/node"
import { Context, Effect, Either, Exit, Layer, Redacted, Scope } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"
import { parse } from "yaml"
import { settingTable } from "../../src/cli/Settings.js"
import { tempFolder } from "../support/Manager.js"

const example = (path: string) => fileURLToPath(new URL(`../../examples/ha-pair/${path}`, import.meta.url))
const KEY = "a-key-of-your-own-0123456789"
const nodes = ["primary", "fallback", "edge-1"]

interface Service {
  readonly image: string
  readonly command?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  readonly ports: ReadonlyArray<string>
}
const { services } = parse(readFileSync(example("compose.yml"), "utf8")) as {
  readonly services: Readonly<Record<string, Service>>
}

const folder = tempFolder()
const scope = Effect.runSync(Scope.make())
let url = ""

beforeAll(async () => {
  const config = join(folder.path, "config")
  cpSync(example("config"), config, { recursive: true })
  const context = await Effect.runPromise(
    Layer.buildWithScope(
      ManagerLayer.layer({
        base: services["manager"]?.environment?.["MANAGER_BASE"] ?? "",
        key: Redacted.make(KEY),
        config,
        rules: join(config, "manager.yml"),
        database: join(folder.path, "manager.db"),
        host: "127.0.0.1",
        port: 0
      }).pipe(Layer.provide(NodeContext.layer)),
      scope
    )
  )
  url = Context.get(context, NodeServer.NodeServer).url
})
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  folder.remove()
})

const get = (path: string, authorization = `Bearer ${KEY}`) =>
  fetch(`${url}${path}`, { headers: { authorization }, redirect: "manual" })

it("examples/ha-pair gives each node its part", async () => {
  const config = async (node: string) => {
    const text = await (await get(`/?node=${node}&every=2`)).text()
    return Either.getOrThrow(Either.flatMap(parseConfigText(text), (document) => validateConfig(document.value))).config
  }
  const [primary, fallback, edge] = [await config("primary"), await config("fallback"), await config("edge-1")]
  expect(primary.paths?.["cams/harbour"]?.source).toBe("rtsp://user:password@10.0.0.7/stream")
  expect(fallback.paths?.["cams/harbour"]?.source).toMatch(
    /^rtsp:\/\/mtx-manager\.fallback:.*@primary:8554\/cams\/harbour$/
  )
  expect(edge.paths?.["cams/pier"]?.source).toMatch(/^rtsp:\/\/mtx-manager\.edge-1:.*@primary:8554\/cams\/pier$/)
  expect(edge.paths?.["cams/pier"]?.sourceOnDemand).toBe(true)
  expect(await (await get("/groups")).json()).toMatchObject([
    { name: "pair", acting: "primary" },
    { name: "world", acting: "primary" }
  ])
})

it("sends a viewer to a port that the compose file publishes, and nobody else", async () => {
  expect((await get("/streams/cams/harbour", "")).status).toBe(401)
  // Nobody has the stream: no camera is there.
  expect((await get("/streams/cams/harbour", `Basic ${btoa("viewer:change-me")}`)).status).toBe(503)
  const text = readFileSync(example("config/manager.yml"), "utf8")
  for (const node of nodes) {
    const port = /http:\/\/localhost:(\d+)/.exec(text.split(`\n  ${node}: `)[1] ?? "")?.[1]
    expect(services[node]?.ports).toStrictEqual([`${port}:8888/tcp`])
  }
})

it("boots its nodes as node-command says, by settings that are settings", () => {
  expect(Object.keys(services)).toStrictEqual(["manager", ...nodes])
  for (const node of nodes) {
    const secret = "PLACEHOLDER-OF-THE-KEY"
    const shell = nodeCommand("shell", { base: "http://manager:8080", node: NodeId.make(node), secret })
    const [script = ""] = services[node]?.command ?? []
    expect(`sh -c '${script.replace("${MANAGER_KEY}", secret)}'`).toBe(shell)
  }
  const known: ReadonlyArray<string> = Object.values(settingTable).map(({ variable }) => variable)
  const used = services["manager"]?.environment ?? {}
  for (const variable of Object.keys(used)) expect(known).toContain(variable)
})
