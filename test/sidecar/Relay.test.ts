/** The updater's process as a relay: what MediaMTX gets to hear, whatever manager, disk and process go through. */
import { execFileSync } from "node:child_process"
import { createHmac } from "node:crypto"
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeAll, describe, expect, it } from "vitest"
import { claimsInQuery } from "../../src/services/TokenSessions.js"
import { withoutSecrets } from "../../src-sidecar/updater/Relay.js"
import { tempFolder } from "../support/Manager.js"
import { eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { type Asked, failures, type ScriptedServer, scriptedServer } from "../support/ScriptedServer.js"
import { bundleSidecar, giveConfig, giveReply, rendered } from "../support/Sidecar.js"

const KEY = "secret-key-of-the-test"
const token = createHmac("sha256", KEY).update("mtx-manager node n1").digest("base64url")
const killAt = fileURLToPath(new URL("../support/killAt.cjs", import.meta.url))
const config = rendered(
  "api: no\npaths:\n  cam: {}\n# Its hooks and questions go to the relay at http://127.0.0.1:9995"
)

let program: string
beforeAll(() => {
  const bundle = bundleSidecar("updater")
  program = bundle.file
  return bundle.remove
})

interface Hook {
  readonly path: string
  readonly delivery: string
  readonly occurredAt: string
}
interface Beat {
  readonly status: string
  readonly error?: string
}

describe("the relay", () => {
  const open: Array<{ readonly close: () => unknown }> = []
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close()
  })

  /** A manager of which the test decides what it says to hooks and questions. */
  const startManager = async (port = 0) => {
    const manager: ScriptedServer & {
      hook: (response: ServerResponse, asked: Asked) => void
      auth: typeof manager.hook
    } = Object.assign(
      await scriptedServer((asked, response) => {
        if (asked.method === "GET") return giveConfig(asked, response, config)
        if (asked.url.startsWith("/hooks")) return manager.hook(response, asked)
        if (asked.url.startsWith("/auth")) return manager.auth(response, asked)
        giveReply(response, null)
      }, port),
      {
        hook: (response: ServerResponse) => void response.writeHead(204).end(),
        auth: (response: ServerResponse) => void response.writeHead(204).end()
      }
    )
    open.push({ close: manager.close })
    return manager
  }
  const hooksOf = (manager: ScriptedServer): ReadonlyArray<Hook> =>
    manager.asked.filter(({ url }) => url.startsWith("/hooks")).flatMap(({ body }) => JSON.parse(body))
  const questionsOf = (manager: ScriptedServer) => manager.asked.filter(({ url }) => url.startsWith("/auth"))
  const beatsOf = (manager: ScriptedServer): ReadonlyArray<Beat> =>
    manager.asked.filter(({ url }) => url.includes("/heartbeat")).map(({ body }) => JSON.parse(body))

  const folderFor = () => {
    const folder = tempFolder()
    open.push({ close: folder.remove })
    return folder.path
  }
  const startUpdater = async (
    url: string,
    folder: string,
    env: Readonly<Record<string, string>> = {},
    flags: ReadonlyArray<string> = []
  ) => {
    const [port = 0] = await freePorts(1)
    const process = run("node", [...flags, program], {
      env: {
        ...{ URL: url, KEY, NODE: "n1", CONFIG: join(folder, "mediamtx.yml"), INTERVAL: "1s", MEDIAMTX_API: "" },
        ...{ RECORDINGS: "", RELAY: `127.0.0.1:${port}`, RELAY_AUTH_CACHE: "0s", ...env }
      }
    })
    open.push({ close: () => process.stop("SIGKILL") })
    return { process, port, spool: join(folder, "mediamtx.yml.hooks") }
  }
  const started = async (url: string, folder = folderFor(), env: Readonly<Record<string, string>> = {}) => {
    const updater = await startUpdater(url, folder, env)
    await updater.process.waitFor(/the relay listens/)
    return { ...updater, folder }
  }

  /** As busybox wget posts it. */
  const post = async (port: number, path: string, body: string, headers: Readonly<Record<string, string>> = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/x-www-form-urlencoded",
        connection: "close",
        ...headers
      },
      body
    })
    return { status: response.status, text: await response.text(), connection: response.headers.get("connection") }
  }
  const fire = (port: number, n: number | string) => post(port, "/hooks?node=n1", `event=init&path=p${n}`)
  const question = (user: string) =>
    `{"ip":"192.0.2.7","user":"${user}","password":"p1","token":"p1","action":"read","path":"cam","protocol":"rtsp","id":null,"query":"","userAgent":""}`
  // MediaMTX sends no header of its own.
  const ask = (port: number, user = "alice") =>
    post(port, `/auth?node=n1&token=${token}`, question(user), {
      authorization: "",
      "content-type": "application/json"
    })

  it("takes a hook, and the manager gets it with time and number, but nobody gets its secrets", async () => {
    const manager = await startManager()
    const { folder, port, process, spool } = await started(manager.base)
    const before = Date.now()
    const hook = "event=read&path=cam/a&type=rtmpConn&id=c1&query=user%3Du1%26pass%3Dhunter2"
    expect(await post(port, "/hooks?node=n1", hook)).toEqual({ status: 204, text: "", connection: "close" })
    expect(
      (
        await post(port, "/hooks?node=n1", '{"event":"ready","path":"x","type":"a","id":"b"}', {
          "content-type": "application/json"
        })
      ).status
    ).toBe(204)
    await eventually("both hooks", async () => hooksOf(manager).length === 2)
    const [first, second] = manager.asked.filter(({ url }) => url.startsWith("/hooks"))
    expect(first?.url).toBe("/hooks?node=n1")
    expect(first?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, "content-type": "application/json" })
    const [event] = hooksOf(manager)
    expect(event).toMatchObject({
      event: "read",
      path: "cam/a",
      type: "rtmpConn",
      id: "c1",
      query: "user=***&pass=***"
    })
    expect(event?.delivery).toMatch(/^[\w-]{12}\.1$/)
    expect(Date.parse(event?.occurredAt ?? "")).toBeGreaterThanOrEqual(before)
    expect(JSON.parse(second?.body ?? "")).toMatchObject({ event: "available", query: "" })
    for (const name of readdirSync(spool)) expect(readFileSync(join(spool, name), "utf8")).not.toContain("hunter2")
    expect(process.output()).not.toContain(token)
    expect(readdirSync(folder)).toContain("mediamtx.yml.hooks")
  })

  it("hides what may be a credential in a query, but leaves what a signed token says", () => {
    const jwt = "eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiJtdHgtYWJjZGVmZ2hpamtsbW5vcCJ9.c2lnbmF0dXJl"
    expect(withoutSecrets("")).toBe("")
    expect(withoutSecrets("user=u&pass=p&x")).toBe("user=***&pass=***&***")
    const query = withoutSecrets(`a=b&token=${jwt}&other=${jwt}`)
    expect(query).toBe(`a=***&token=${jwt.slice(0, jwt.lastIndexOf(".") + 1)}***&other=***`)
    expect(claimsInQuery(query)?.id).toBe("mtx-abcdefghijklmnop")
    // Not one of three parts, or not of its characters.
    for (const value of ["eyJx", "eyJ.a", "eyJ.a.b.c", "eyJ.a.b c", "xeyJ.a.b"]) {
      expect(withoutSecrets(`token=${value}`)).toBe("token=***")
    }
  })

  it("takes nothing from anybody else, and nothing that is no hook", async () => {
    const manager = await startManager()
    const { port } = await started(manager.base)
    const good = "event=init&path=a"
    const status = async (path: string, body = good, headers: Readonly<Record<string, string>> = {}) =>
      (await post(port, path, body, headers)).status
    expect(await status("/hooks?node=n1", good, { authorization: "" })).toBe(401)
    expect(await status("/hooks?node=n1", good, { authorization: `Bearer ${token}x` })).toBe(401)
    expect(await status("/auth?node=n1&token=guess", question("u"), { authorization: "" })).toBe(401)
    expect(await status("/hooks?node=n2")).toBe(403)
    expect(await status("/hooks")).toBe(403)
    expect(await status("/nodes")).toBe(404)
    expect((await fetch(`http://127.0.0.1:${port}/hooks?node=n1`)).status).toBe(404)
    expect(await status("/hooks?node=n1", "event=nothing&path=a")).toBe(400)
    expect(await status("/hooks?node=n1", "event=init&path=%ff")).toBe(400)
    expect(await status("/hooks?node=n1", "{", { "content-type": "application/json" })).toBe(400)
    expect(await status("/hooks?node=n1", good, { "content-type": "text/plain" })).toBe(415)
    expect(await status("/hooks?node=n1", `${good}${"x".repeat(70_000)}`)).toBe(413)
    expect(await status(`/auth?node=n1&token=${token}`, "{}")).toBe(400)
    expect(await status("/hooks?node=n1", good, { authorization: `Bearer ${KEY}` })).toBe(204)
    await eventually("the one that was right", async () => hooksOf(manager).length === 1)
    expect(questionsOf(manager)).toEqual([])
  })

  it("takes no answer but 204 for a receipt, whatever else the manager gives, and delivers in order afterwards", {
    timeout: 60_000
  }, async () => {
    const manager = await startManager()
    const elsewhere = await scriptedServer((_, response) => response.writeHead(204).end())
    open.push({ close: elsewhere.close })
    const { port } = await started(manager.base)
    const hostile: ReadonlyArray<readonly [string, (response: ServerResponse) => void]> = [
      ...failures.map(([name, answer]) => [name, (response: ServerResponse) => answer(response, config)] as const),
      [
        "a redirect to another origin",
        (response) => response.writeHead(307, { location: `${elsewhere.base}/hooks` }).end()
      ],
      ["a connection that ends", (response) => response.destroy()],
      ["400 of somebody else", (response) => response.writeHead(400).end("<html>Bad request</html>")],
      ["401", (response) => response.writeHead(401).end('{"_tag":"Unauthorized","message":"who are you?"}')]
    ]
    for (const [index, [name, answer]] of hostile.entries()) {
      manager.hook = (response) => answer(response)
      const begun = hooksOf(manager).length
      expect((await fire(port, index)).status, name).toBe(204)
      await eventually(`an attempt that gets ${name}`, async () => hooksOf(manager).length > begun)
      const receipts: Array<Hook> = []
      manager.hook = (response, asked) => {
        receipts.push(...[JSON.parse(asked.body)].flat())
        response.writeHead(204).end()
      }
      await eventually(`a receipt after ${name}`, async () => receipts.length === 1)
      expect(receipts[0]?.path, name).toBe(`p${index}`)
    }
    expect(elsewhere.asked).toEqual([])
    await eventually("a heartbeat of it", async () =>
      beatsOf(manager).some(({ error }) => error?.includes("hooks wait"))
    )
    await eventually("a good one", async () => beatsOf(manager).at(-1)?.status === "ok")
  })

  it("permits nothing that the manager does not permit by 204, and denies as it denies", async () => {
    const manager = await startManager()
    const elsewhere = await scriptedServer((_, response) => response.writeHead(204).end())
    open.push({ close: elsewhere.close })
    const { port } = await started(manager.base)
    expect(await ask(port)).toEqual({ status: 204, text: "", connection: "close" })
    expect(questionsOf(manager)[0]).toMatchObject({ url: "/auth?node=n1", body: question("alice") })
    expect(questionsOf(manager)[0]?.headers.authorization).toBe(`Bearer ${KEY}`)
    for (const status of [401, 403]) {
      manager.auth = (response) => void response.writeHead(status).end('{"message":"no rule"}')
      expect(await ask(port)).toMatchObject({ status, text: '{"message":"no rule"}' })
    }
    for (const [name, answer] of failures.filter(([name]) => name !== "403")) {
      manager.auth = (response) => answer(response, config)
      expect((await ask(port)).status, name).toBe(503)
    }
    manager.auth = (response) => void response.writeHead(302, { location: `${elsewhere.base}/auth` }).end()
    expect((await ask(port)).status).toBe(503)
    expect(elsewhere.asked).toEqual([])
  })

  it("answers within its deadline when the manager hangs, and by the last permission when told so", async () => {
    const manager = await startManager()
    const env = { RELAY_AUTH_DEADLINE: "300ms", RELAY_AUTH_AWAY: "10m" }
    const { port, process } = await started(manager.base, folderFor(), env)
    expect((await ask(port, "known")).status).toBe(204)
    manager.auth = () => {}
    const all = await Promise.all(["a", "b", "c"].map((user) => ask(port, user)))
    expect(all.map(({ status }) => status)).toEqual([503, 503, 503])
    const asked = questionsOf(manager).length
    expect((await ask(port, "known")).status).toBe(204)
    expect((await ask(port, "stranger")).status).toBe(503)
    // Nobody was asked: one late answer is enough for a while.
    expect(questionsOf(manager).length).toBe(asked)
    expect(process.output()).toMatch(/no answer to a question of MediaMTX/)
  })

  it("loses nothing that it acknowledged while the manager is away and the updater is killed meanwhile", {
    timeout: 60_000
  }, async () => {
    const manager = await startManager()
    const first = await started(manager.base)
    await fire(first.port, 0)
    await eventually("the first", async () => hooksOf(manager).length === 1)
    await manager.close()
    for (let n = 1; n <= 5; n++) expect((await fire(first.port, n)).status).toBe(204)
    await first.process.stop("SIGKILL")
    const second = await started(manager.base, first.folder)
    for (let n = 6; n <= 8; n++) expect((await fire(second.port, n)).status).toBe(204)
    const again = await startManager(manager.port)
    await eventually("the rest", async () => hooksOf(again).some(({ path }) => path === "p8"))
    const got = hooksOf(again).filter(({ path }) => path !== "p0")
    expect(got.map(({ path }) => path)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((n) => `p${n}`))
    expect(new Set(got.map(({ delivery }) => delivery.split(".")[0])).size).toBe(2)
  })

  it("has every hook that it acknowledged, in order, killed at any step of what it writes", {
    timeout: 240_000
  }, async () => {
    const manager = await startManager()
    // With its config in place, there is nothing else that it writes.
    const booted = await started(manager.base)
    await eventually("the config", async () => readdirSync(booted.folder).includes("mediamtx.yml.last-good"))
    await booted.process.stop()
    rmSync(booted.spool, { recursive: true, force: true })
    let kills = 0
    for (let n = 1; n < 80; n++) {
      const folder = folderFor()
      cpSync(booted.folder, folder, { recursive: true })
      const updater = await startUpdater(manager.base, folder, { KILL_AT: String(n) }, ["--require", killAt])
      const dead = () => updater.process.child.exitCode !== null || updater.process.child.signalCode !== null
      const acknowledged: Array<string> = []
      const begun = hooksOf(manager).length
      await eventually(
        "it listens or is dead",
        async () => dead() || updater.process.output().includes("the relay listens")
      )
      for (let hook = 0; hook < 4 && !dead(); hook++) {
        const status = await fire(updater.port, `${n}-${hook}`).then(
          (answer) => answer.status,
          () => 0
        )
        if (status === 204) acknowledged.push(`p${n}-${hook}`)
      }
      // Until it is dead or has noted how far it is.
      await eventually("the end", async () => dead() || readdirSync(updater.spool).includes("position"))
      const killed = await Promise.race([
        updater.process.exited.then(() => true),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 150))
      ])
      await updater.process.stop("SIGKILL")
      const after: Running = (await started(manager.base, folder)).process
      await eventually(`all that were acknowledged before step ${n}`, async () => {
        const arrived = hooksOf(manager).slice(begun)
        return acknowledged.every((path) => arrived.some((hook) => hook.path === path))
      })
      await after.stop()
      // What came twice is the same delivery; taken once, all are in order.
      const once = new Map(
        hooksOf(manager)
          .slice(begun)
          .map(({ delivery, path }) => [delivery, path])
      )
      const order = [...once.values()].filter((path) => acknowledged.includes(path))
      expect(order, `killed at step ${n}`).toEqual(acknowledged)
      if (!killed) break
      kills += 1
    }
    // The first file: opened, the folder opened, fsync, closed; four hooks written, fsync; what is read for the manager; the
    // note of the position: opened, written, chmod, fsync, closed, renamed.
    expect(kills).toBeGreaterThanOrEqual(20)
  })

  it("refuses hooks on a full disk, says so, keeps those that it has, and goes on when there is room", async ({
    skip
  }) => {
    const mounted = folderFor()
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", mounted], { stdio: "ignore" })
    } catch {
      console.warn('\n  SKIPPED: "a full disk" needs the right to mount a tmpfs.\n')
      return skip()
    }
    open.push({ close: () => execFileSync("umount", ["-l", mounted]) })
    const manager = await startManager()
    manager.hook = (response) => void response.writeHead(503).end()
    const { port } = await started(manager.base, folderFor(), { RELAY_SPOOL: join(mounted, "hooks") })
    expect((await fire(port, 0)).status).toBe(204)
    const filler = join(mounted, "filler")
    const fill = () => {
      for (let size = 60; size > 0; size--) {
        try {
          writeFileSync(filler, Buffer.alloc(4096), { flag: "a" })
        } catch {
          return
        }
      }
    }
    fill()
    const taken = ["p0"]
    const refused = await eventually("a refusal", async () => {
      const answer = await fire(port, taken.length)
      if (answer.status === 204) taken.push(`p${taken.length}`)
      return answer.status === 204 ? undefined : answer
    })
    expect(refused.status).toBe(503)
    expect(refused.text).toContain("the disk is full")
    await eventually("a report", async () => beatsOf(manager).some(({ error }) => error?.includes("the disk is full")))
    rmSync(filler)
    expect((await fire(port, taken.length)).status).toBe(204)
    taken.push(`p${taken.length}`)
    manager.hook = (response) => void response.writeHead(204).end()
    await eventually("all of them", async () => new Set(hooksOf(manager).map(({ path }) => path)).size === taken.length)
    expect([...new Set(hooksOf(manager).map(({ path }) => path))]).toEqual(taken)
    await eventually("a good report", async () => beatsOf(manager).at(-1)?.status === "ok")
  })

  it("waits for its port, which another has, and delivers configs all the same", async () => {
    const [port = 0] = await freePorts(1)
    const occupier = createServer()
    await new Promise<void>((resolve) => occupier.listen(port, "127.0.0.1", resolve))
    open.push({ close: () => occupier.close() })
    const manager = await startManager()
    const folder = folderFor()
    const updater = await startUpdater(manager.base, folder, { RELAY: `127.0.0.1:${port}` })
    await updater.process.waitFor(/can't listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/)
    await eventually("the config", async () => readdirSync(folder).includes("mediamtx.yml"))
    await eventually("a report", async () => beatsOf(manager).some(({ error }) => error?.includes("can't listen")))
    await new Promise<void>((resolve) => occupier.close(() => resolve()))
    await updater.process.waitFor(/the relay listens/)
    expect((await fire(port, 0)).status).toBe(204)
    await eventually("a good report", async () => beatsOf(manager).at(-1)?.status === "ok")
  })

  it("an updater without a relay refuses a config that counts on one", async () => {
    const manager = await startManager()
    const folder = folderFor()
    const updater = await startUpdater(manager.base, folder, { RELAY: "" })
    await updater.process.waitFor(
      /is refused: it sends hooks and auth questions to a relay at http:\/\/127\.0\.0\.1:9995/
    )
    expect(readdirSync(folder)).not.toContain("mediamtx.yml")
  })

  it("ends within a second of SIGTERM with status 0, and keeps what waits", async () => {
    const manager = await startManager()
    manager.hook = () => {}
    const { folder, port, process } = await started(manager.base)
    await fire(port, 0)
    await eventually("an attempt that hangs", async () => hooksOf(manager).length === 1)
    const begun = performance.now()
    expect(await process.stop("SIGTERM")).toBe(0)
    expect(performance.now() - begun).toBeLessThan(1_000)
    manager.hook = (response) => void response.writeHead(204).end()
    await started(manager.base, folder)
    await eventually("it again", async () => hooksOf(manager).length === 2)
    expect(hooksOf(manager)[1]).toEqual(hooksOf(manager)[0])
  })

  it("says what is wrong with its settings", async () => {
    mkdirSync(join(folderFor(), "x"))
    const env = {
      RELAY: "9995",
      RELAY_SPOOL_LIMIT: "64",
      RELAY_AUTH_CACHE: "2h",
      RELAY_AUTH_AWAY: "allow",
      RELAY_AUTH_DEADLINE: "20s"
    }
    const updater = await startUpdater("http://127.0.0.1:9", folderFor(), env)
    expect(await updater.process.exited).toBe(2)
    for (const name of Object.keys(env)) expect(updater.process.output()).toMatch(new RegExp(`^  ${name} is n`, "m"))
  })
})
