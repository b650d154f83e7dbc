import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { base, configCases } from "./configCases.js"
import { binary, makeRealServer, type RealServer } from "./realServer.js"

type Outcome = "refuses" | "ends" | "takes"

const loaded = /configuration loaded from/
const aMoment = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

describe.skipIf(binary === undefined)("a real MediaMTX", () => {
  let server: RealServer
  beforeAll(async () => {
    server = await makeRealServer()
  })
  afterAll(() => server.close())

  /** It refuses before it says that the config was loaded; what it loaded it takes, unless it ends within `patience` ms. */
  const tryConfig = async (config: unknown, patience: number): Promise<readonly [Outcome, string]> => {
    const { matched, code, log } = await server.run(config, loaded, async (_, ended) =>
      Promise.race([ended.then(() => "ends" as const), aMoment(patience).then(() => "takes" as const)])
    )
    if (matched === undefined && (code !== 1 || !log.includes("ERR"))) throw new Error(`exit ${code}: ${log}`)
    return [matched ?? "refuses", log]
  }

  const named = configCases.map((item, index) => [`${item.rule} #${index}`, item] as const)
  const batches = Array.from({ length: Math.ceil(named.length / 20) }, (_, index) =>
    named.slice(index * 20, index * 20 + 20)
  )

  it.each(batches.map((batch) => [batch[0]?.[0] ?? "", batch] as const))(
    "agrees from %s on",
    async (_, batch) => {
      const queue = batch.flatMap(([name, item]) => [
        { name: `${name} bad`, config: { ...base, ...item.bad }, expected: [item.real] },
        // A rule of the loader is kept once the file is loaded. Whether its servers then find their certificates and free
        // ports is another matter.
        {
          name: `${name} good`,
          config: { ...base, ...item.good },
          expected: item.real === "refuses" ? (["takes", "ends"] as const) : (["takes"] as const)
        }
      ])
      const wrong: Array<string> = []
      const worker = async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const [outcome, log] = await tryConfig(next.config, next.expected[0] === "ends" ? 5000 : 0)
          if (!next.expected.some((expected) => expected === outcome)) {
            wrong.push(`${next.name}: ${outcome}, expected ${next.expected.join(" or ")}\n${log}`)
          }
        }
      }
      // A few at a time: each start takes a fraction of a second.
      await Promise.all([worker(), worker(), worker(), worker()])
      expect(wrong).toEqual([])
    },
    60_000
  )
})
