import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { deprecatedGlobalFields, deprecatedPathFields } from "../../src/mediamtx/DeprecatedFields.js"
import { effectivePath } from "../../src/mediamtx/EffectivePath.js"
import { isObject } from "../../src/mediamtx/FieldType.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import { goDurationToNanos } from "../../src/mediamtx/GoDuration.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import { stringSizeToBytes } from "../../src/mediamtx/StringSize.js"
import { base } from "./configCases.js"
import { deprecationCases } from "./deprecationCases.js"
import { binary, freePort, makeRealServer, type RealServer } from "./realServer.js"

const apiStarted = /\[API\] started with listener on/

const fetchJson = async (url: string): Promise<unknown> => {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return response.json()
}

type Rows = Readonly<Record<string, { readonly type: { readonly name: string } }>>

/** Without old names; durations and sizes as numbers, sets in order, no list as an empty one. */
const canonical = (rows: Rows, values: unknown): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(isObject(values) ? values : {}).flatMap(([name, value]) => {
      const row = Object.hasOwn(rows, name) ? rows[name] : undefined
      if (row === undefined) return []
      if (name === "authInternalUsers" && Array.isArray(value)) {
        return [[name, value.map((user) => ({ ...user, ips: user.ips ?? [] }))]]
      }
      if (name === "rtspTransports" && Array.isArray(value)) return [[name, [...value].sort()]]
      if (typeof value !== "string") return [[name, value]]
      if (row.type.name === "duration") return [[name, goDurationToNanos(value)]]
      return [[name, row.type.name === "size" ? stringSizeToBytes(value) : value]]
    })
  )

describe.skipIf(binary === undefined)("a real MediaMTX", () => {
  let server: RealServer
  beforeAll(async () => {
    server = await makeRealServer()
  })
  afterAll(() => server.close())

  /** The effective config as the server's own API shows it. */
  const effective = async (config: Readonly<Record<string, unknown>>) => {
    const address = `127.0.0.1:${await freePort()}`
    const { matched, log } = await server.run({ ...config, api: true, apiAddress: address }, apiStarted, async () => {
      const root = `http://${address}/v3/config`
      const list = await fetchJson(`${root}/paths/list`)
      const items = isObject(list) && Array.isArray(list["items"]) ? list["items"] : []
      return {
        global: { ...canonical(globalFields, await fetchJson(`${root}/global/get`)), apiAddress: "" },
        pathDefaults: canonical(pathFields, await fetchJson(`${root}/pathdefaults/get`)),
        paths: Object.fromEntries(items.map((path) => [path.name, canonical(pathFields, path)]))
      }
    })
    if (matched === undefined) throw new Error(log)
    return matched
  }

  const valid = (input: unknown): MediaMTXConfig => Either.getOrThrow(validateConfig(input)).config

  // With its method http the API would ask a server that isn't there.
  const comparable = deprecationCases.filter((item) => !Object.hasOwn(item.old, "externalAuthenticationURL"))

  it.each(comparable.map((item) => [item.name, item] as const))(
    "comes to the same from old and rewritten names: %s",
    async (_, item) => {
      const old = { ...base, ...item.old }
      const rewritten = { ...valid(old) }
      const [fromOld, fromRewritten] = [await effective(old), await effective(rewritten)]
      if (item.differs === undefined) {
        expect(fromRewritten.global).toEqual(fromOld.global)
        expect(fromRewritten.paths).toEqual(fromOld.paths)
      }
      // Nothing old is left in what we would send.
      const names = JSON.stringify(rewritten)
      for (const name of Object.keys(deprecatedPathFields)) {
        if (name !== "playback") expect(names).not.toContain(`"${name}":`)
      }
      expect(Object.keys(rewritten).filter((name) => Object.hasOwn(deprecatedGlobalFields, name))).toEqual([])
    }
  )

  it("knows the same effective paths", async () => {
    const config = valid({
      ...base,
      pathDefaults: { record: true, recordDeleteAfter: "7d", rpiCameraAWBGains: [1, 2], recordMaxPartSize: "1M" },
      paths: {
        plain: null,
        own: { record: false, recordDeleteAfter: "36h", maxReaders: 3, forward: [{ dest: "rtsp://h/$MTX_PATH" }] },
        "~^cam(.*)$": { source: "rtsp://h/$G1", sourceOnDemand: true, rtspTransport: "tcp" },
        all_others: { overridePublisher: false }
      }
    })
    const real = await effective({ ...config })
    const keys = Object.keys(config.paths ?? {})
    expect(Object.keys(real.paths).sort()).toEqual([...keys].sort())
    for (const key of keys) {
      const ours = { ...canonical(pathFields, effectivePath(config, key)) }
      const theirs = { ...real.paths[key] }
      // The API writes empty fields of a destination, which we leave out.
      expect(ours["forward"]).toEqual(key === "own" ? [{ dest: "rtsp://h/$MTX_PATH" }] : [])
      for (const side of [ours, theirs]) delete side["forward"]
      expect([key, ours]).toEqual([key, theirs])
    }
  })
})
