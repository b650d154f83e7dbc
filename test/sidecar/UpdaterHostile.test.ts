/** The updater's process against managers that give anything but a config: what MediaMTX reads stays what it was. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { join } from "node:path"
import { afterEach, beforeAll, describe, expect, it } from "vitest"
import { tempFolder } from "../support/Manager.js"
import { eventually, run } from "../support/MediaMTX.js"
import { type Asked, type ScriptedServer, scriptedServer } from "../support/ScriptedServer.js"
import { bundleSidecar, giveConfig, giveReply, rendered, sha256 } from "../support/Sidecar.js"

const KEY = "secret-key-of-the-test"
const first = rendered("api: no\npaths:\n  cam: {}")
const second = rendered("api: no\npaths:\n  cam: {}\n  cam2: {}")
const third = rendered("api: no\npaths:\n  cam3: {}")

let program: string
beforeAll(() => {
  const bundle = bundleSidecar("updater")
  program = bundle.file
  return bundle.remove
})

interface Beat {
  readonly instance: string
  readonly status: string
  readonly error?: string
  readonly appliedHash?: string
  readonly every: number
  readonly disk?: { readonly free: number; readonly total: number }
}

describe("mtx-updater", () => {
  const open: Array<{ readonly close: () => unknown }> = []
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close()
  })

  /** A manager of which the test decides what it gives for a config. Heartbeats are always taken. */
  const startManager = async (config: (asked: Asked, response: ServerResponse) => void) => {
    const manager: ScriptedServer & { config: typeof config; wanted: string | null; commands: Array<unknown> } =
      Object.assign(
        await scriptedServer((asked, response) => {
          if (asked.method === "GET") return manager.config(asked, response)
          giveReply(response, manager.wanted, manager.commands.splice(0))
        }),
        { config, wanted: null, commands: [] }
      )
    open.push({ close: manager.close })
    return manager
  }
  const beatsOf = (manager: ScriptedServer): ReadonlyArray<Beat> =>
    manager.asked.filter((asked) => asked.method === "POST").map((asked) => JSON.parse(asked.body))
  const pollsOf = (manager: ScriptedServer) => manager.asked.filter((asked) => asked.method === "GET")

  const startUpdater = (url: string, folder: string, env: Readonly<Record<string, string>> = {}) => {
    const config = join(folder, "mediamtx.yml")
    const settings = { URL: url, KEY, NODE: "n1", CONFIG: config, INTERVAL: "1s", ...env }
    const process = run("node", [program], { env: settings })
    open.push({ close: () => process.stop("SIGKILL") })
    const health = () => run("node", [program, "health"], { env: settings }).exited
    return { process, config, health, read: () => readFileSync(config, "utf8") }
  }
  const folderFor = () => {
    const folder = tempFolder()
    open.push({ close: folder.remove })
    return folder.path
  }
  /** With `first` in place and healthy. */
  const startRunning = async () => {
    const manager = await startManager((asked, response) => giveConfig(asked, response, first))
    const folder = folderFor()
    const updater = startUpdater(manager.base, folder)
    await eventually("the first config", async () => existsSync(updater.config))
    expect(updater.read()).toBe(first)
    return { manager, folder, updater }
  }

  it("fetches, tells what it has, and follows a change; asks with its key and the hash of the file", async () => {
    const { manager, updater, folder } = await startRunning()
    expect(await updater.health()).toBe(0)
    expect(statSync(updater.config).mode & 0o777).toBe(0o600)
    await eventually("a poll with the hash", async () =>
      pollsOf(manager).some(({ headers }) => headers["if-none-match"] === `"${sha256(first)}"`)
    )
    expect(pollsOf(manager)[0]?.url).toBe("/?node=n1")
    expect(pollsOf(manager)[0]?.headers.authorization).toBe(`Bearer ${KEY}`)
    expect(pollsOf(manager)[0]?.headers["if-none-match"]).toBeUndefined()
    const beat = await eventually("a heartbeat with the hash", async () =>
      beatsOf(manager).find(({ appliedHash }) => appliedHash === sha256(first))
    )
    expect(beat).toMatchObject({ status: "ok", every: 1 })
    expect(beat.disk?.total).toBeGreaterThan(0)
    expect(new Set(beatsOf(manager).map(({ instance }) => instance)).size).toBe(1)

    manager.config = (asked, response) => giveConfig(asked, response, second)
    await eventually("the second config", async () => updater.read() === second)
    expect(await updater.health()).toBe(0)
    expect(readFileSync(`${updater.config}.last-good`, "utf8")).toBe(second)
    expect(readdirSync(folder).sort()).toEqual(["mediamtx.yml", "mediamtx.yml.last-good", "mediamtx.yml.state.json"])
    expect(updater.process.output()).not.toContain(KEY)
  })

  const asYaml = (response: ServerResponse, body: string | Buffer, headers: Record<string, string | number> = {}) =>
    response
      .writeHead(200, {
        "content-type": "text/yaml",
        "content-length": Buffer.byteLength(body),
        etag: `"${sha256(body.toString())}"`,
        ...headers
      })
      .end(body)

  const hostile: ReadonlyArray<readonly [string, (response: ServerResponse) => void, RegExp]> = [
    ["500", (response) => response.writeHead(500, { "content-type": "text/yaml" }).end(second), /answers 500/],
    ["401", (response) => response.writeHead(401).end(), /does not take KEY/],
    ["404", (response) => response.writeHead(404).end("nope"), /is URL right/],
    ["204", (response) => response.writeHead(204).end(), /answers 204/],
    [
      "an HTML page",
      (response) => asYaml(response, "<html>Sign in</html>\n", { "content-type": "text/html" }),
      /not text\/yaml/
    ],
    ["an HTML page that claims to be YAML", (response) => asYaml(response, "<html>Sign in</html>\n"), /last line/],
    ["an empty 200", (response) => asYaml(response, ""), /it is empty/],
    ["only the last line", (response) => asYaml(response, "\n# end of mtx-manager config\n"), /last line/],
    [
      "half a body of the announced length",
      (response) => {
        response.writeHead(200, { "content-type": "text/yaml", "content-length": second.length, etag: '"x"' })
        response.write(second.slice(0, 40), () => response.destroy())
      },
      /broke off/
    ],
    [
      "half a body of no announced length",
      (response) => {
        response.writeHead(200, { "content-type": "text/yaml", connection: "close", "transfer-encoding": "identity" })
        response.end(second.slice(0, 40))
      },
      /last line/
    ],
    [
      "a body with another one's ETag",
      (response) => asYaml(response, second, { etag: `"${sha256(third)}"` }),
      /ETag is not the SHA-256/
    ],
    ["a body without ETag", (response) => asYaml(response, second, { etag: "" }), /no ETag/],
    ["a compressed body", (response) => asYaml(response, second, { "content-encoding": "gzip" }), /compressed/],
    [
      "bytes that are not UTF-8",
      (response) => asYaml(response, Buffer.concat([Buffer.from([0x61, 0x3a, 0xff, 0x0a]), Buffer.from(second)])),
      /not UTF-8/
    ],
    [
      "304 for a hash that is not asked for, then nothing",
      (response) => response.writeHead(304).destroy(),
      /broke off|was cut|hang up/
    ],
    [
      "a config that MediaMTX would end at",
      (response) => asYaml(response, rendered("rtspEncryption: no\npaths: {}")),
      /is refused: .*rtspEncryption/
    ],
    ["one that sets nothing", (response) => asYaml(response, rendered("# nothing\n---")), /is refused: /],
    ["a duplicate key", (response) => asYaml(response, rendered("paths: {}\npaths: {}")), /is refused: /]
  ]
  it("keeps the file as it is whatever else than a config the manager gives, reports each, and recovers", {
    timeout: 120_000
  }, async () => {
    const { manager, folder, updater } = await startRunning()
    const before = statSync(updater.config)
    for (const [what, give, says] of hostile) {
      const begun = beatsOf(manager).length
      manager.config = (_asked, response) => give(response)
      const beat = await eventually(`a report of ${what}`, async () =>
        beatsOf(manager)
          .slice(begun)
          .find(({ error }) => error?.match(says))
      )
      expect(beat, what).toMatchObject({ status: "failed", appliedHash: sha256(first) })
      expect(updater.read(), what).toBe(first)
      // Not even rewritten.
      expect(statSync(updater.config).ino, what).toBe(before.ino)
      expect(
        readdirSync(folder).filter((name) => name.includes(".new-")),
        what
      ).toEqual([])
    }
    expect(await updater.health()).toBe(0)

    manager.config = (asked, response) => giveConfig(asked, response, third)
    await eventually("the next good config", async () => updater.read() === third)
    await eventually("an ok report", async () => {
      const last = beatsOf(manager).at(-1)
      return last?.status === "ok" && last.appliedHash === sha256(third)
    })
  })

  it("sends the key nowhere else: a redirect is not followed", async () => {
    const elsewhere = await scriptedServer((asked, response) => giveConfig(asked, response, second))
    open.push({ close: elsewhere.close })
    const { manager, updater } = await startRunning()
    manager.config = (asked, response) => response.writeHead(302, { location: `${elsewhere.base}${asked.url}` }).end()
    const beat = await eventually("a report of it", async () =>
      beatsOf(manager).find(({ status }) => status === "failed")
    )
    expect(beat.error).toContain(`set URL to that`)
    expect(beat.error).toContain(elsewhere.base)
    expect(elsewhere.asked).toEqual([])
    expect(updater.read()).toBe(first)
  })

  it("goes on with heartbeats while a config poll hangs", async () => {
    const { manager, updater } = await startRunning()
    const polls = pollsOf(manager).length
    manager.config = () => {}
    await eventually("a poll that hangs", async () => pollsOf(manager).length > polls)
    const before = beatsOf(manager).length
    await eventually("three more heartbeats", async () => beatsOf(manager).length >= before + 3)
    expect(updater.read()).toBe(first)
  })

  it("goes on with heartbeats and changes while MediaMTX's API hangs, which is not death", {
    timeout: 60_000
  }, async () => {
    const api = await scriptedServer(() => {})
    open.push({ close: api.close })
    const manager = await startManager((asked, response) => giveConfig(asked, response, first))
    const updater = startUpdater(manager.base, folderFor(), { MEDIAMTX_API: api.base })
    await eventually("the config", async () => existsSync(updater.config), 5_000)
    await eventually("beats that say so", async () => {
      const silent = beatsOf(manager).filter(({ error }) => error?.includes("does not answer in time"))
      return silent.length >= 3
    })
    expect(beatsOf(manager).every((beat) => !("paths" in beat))).toBe(true)
    manager.config = (asked, response) => giveConfig(asked, response, second)
    await eventually("the change", async () => updater.read() === second, 30_000)
  })

  it("writes only the newest of changes that come fast, at least two seconds apart", async () => {
    const { manager, updater } = await startRunning()
    const seen: Array<{ readonly text: string; readonly at: number }> = []
    let inode = statSync(updater.config).ino
    let served = 0
    manager.wanted = "0".repeat(64) // Every heartbeat asks for a poll.
    // Each poll finds another config.
    manager.config = (asked, response) => {
      served += 1
      giveConfig(asked, response, rendered(`api: no\npaths:\n  cam${served}: {}`))
    }
    await eventually("three writes", async () => {
      const now = statSync(updater.config).ino
      if (now !== inode) {
        inode = now
        seen.push({ text: updater.read(), at: performance.now() })
      }
      return seen.length >= 3
    })
    for (const [index, { at }] of seen.slice(1).entries()) {
      expect(at - (seen[index]?.at ?? 0)).toBeGreaterThan(1_900)
    }
  })

  it("boots from the last good config while the manager is away, and from nothing else", async () => {
    const { manager, folder, updater } = await startRunning()
    await eventually("the last good copy", async () => existsSync(`${updater.config}.last-good`))
    await updater.process.stop()
    await manager.close()
    writeFileSync(updater.config, "")
    expect(await updater.health()).toBe(1)
    const again = startUpdater(manager.base, folder)
    await eventually("the last good one", async () => again.read() === first)
    expect(await again.health()).toBe(0)

    const empty = folderFor()
    const other = startUpdater(manager.base, empty)
    await other.process.waitFor(/the manager is away/)
    expect(await other.health()).toBe(1)
    expect(existsSync(other.config)).toBe(false)
  })

  it.each([
    ["cut off", first.slice(0, 30)],
    ["not YAML", rendered("paths: [")],
    ["of nobody knows whom", "paths: {}\n"]
  ])("a config in place that is %s gives way to the last good one, when the manager is away", async (_, text) => {
    const folder = folderFor()
    const config = join(folder, "mediamtx.yml")
    writeFileSync(config, text)
    writeFileSync(`${config}.last-good`, first)
    writeFileSync(`${config}.new-0123456789ab`, "half a wri")
    const updater = startUpdater("http://127.0.0.1:9", folder)
    await eventually("the last good one", async () => updater.read() === first)
    expect(await updater.health()).toBe(0)
    expect(existsSync(`${config}.new-0123456789ab`)).toBe(false)
  })

  it("a valid config that is there already is fit at once, manager or not; one that somebody edits is not", async () => {
    const folder = folderFor()
    const config = join(folder, "mediamtx.yml")
    writeFileSync(config, first)
    const updater = startUpdater("http://127.0.0.1:9", folder)
    await eventually("health", async () => (await updater.health()) === 0)
    writeFileSync(config, second)
    expect(await updater.health()).toBe(1)
    expect(updater.read()).toBe(second)
  })

  it("obeys commands that it knows and says so of those that it does not", async () => {
    const { manager, updater } = await startRunning()
    const polls = pollsOf(manager).length
    manager.commands.push({ type: "explode" }, { type: "kick", session: "srtConn", id: "x" }, 7, { type: "refresh" })
    await updater.process.waitFor(/does not know/)
    await updater.process.waitFor(/srtConn x can't be ended: MEDIAMTX_API is not set/)
    await eventually("a poll", async () => pollsOf(manager).length > polls)
  })

  it("ends within a second of SIGTERM with status 0, also while a poll hangs", async () => {
    const { manager, updater } = await startRunning()
    const polls = pollsOf(manager).length
    manager.config = () => {}
    await eventually("a poll that hangs", async () => pollsOf(manager).length > polls)
    const begun = performance.now()
    expect(await updater.process.stop("SIGTERM")).toBe(0)
    expect(performance.now() - begun).toBeLessThan(1_000)
  })

  it("says everything that is wrong with its settings at once, without the key", async () => {
    const bad = run("node", [program], {
      env: {
        URL: "ftp://x",
        KEY: "my key",
        NODE: "../x",
        INTERVAL: "5",
        CONFIG_MODE: "444",
        MEDIAMTX_API: "mediamtx",
        CONFIG: ""
      }
    })
    expect(await bad.exited).toBe(2)
    for (const name of ["URL", "KEY", "NODE", "CONFIG_MODE", "MEDIAMTX_API"]) {
      expect(bad.output()).toMatch(new RegExp(`^  ${name} `, "m"))
    }
    expect(bad.output()).not.toMatch(/INTERVAL|CONFIG |my key/)
  })

  it("writes with CONFIG_MODE, whatever the umask", async () => {
    const manager = await startManager((asked, response) => giveConfig(asked, response, first))
    const updater = startUpdater(manager.base, folderFor(), { CONFIG_MODE: "0644" })
    await eventually("the config", async () => existsSync(updater.config))
    expect(statSync(updater.config).mode & 0o777).toBe(0o644)
  })

  it("says that the folder of CONFIG is not there, and goes on when it is", async () => {
    const manager = await startManager((asked, response) => giveConfig(asked, response, first))
    const folder = join(folderFor(), "later")
    const updater = startUpdater(manager.base, folder)
    await updater.process.waitFor(/its folder does not exist/)
    mkdirSync(folder)
    await eventually("the config", async () => existsSync(updater.config))
    expect(updater.read()).toBe(first)
  })
})
