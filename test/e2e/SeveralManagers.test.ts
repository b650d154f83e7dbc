/** Several managers of the prebuilt server on one PostgreSQL database. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Redacted } from "effect"
import { afterAll, expect, it } from "vitest"
import * as PostgresNode from "../../src/sql/PostgresNode.js"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describePostgres } from "../support/Postgres.js"

const range = (count: number) => Array.from({ length: count }, (_, n) => n)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

await describePostgres("mtx-manager serve --database postgres://", (server) => {
  const folder = tempFolder()
  const running: Array<RunningManager> = []
  afterAll(async () => {
    await Promise.all(running.map((manager) => manager.stop("SIGKILL")))
    folder.remove()
  })
  const start = async (name: string, url = server.url, args: ReadonlyArray<string> = ["--quiet"]) => {
    const manager = await startManager({
      data: join(folder.path, name),
      base: "http://manager.test",
      args: ["--database", url, ...args]
    })
    running.push(manager)
    return manager
  }
  const query = (url: string, text: string) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      return yield* sql.unsafe<Record<string, unknown>>(text)
    }).pipe(Effect.provide(PostgresNode.layer({ url: Redacted.make(url) })), Effect.runPromise)
  const makeDatabase = async (name: string) => {
    await query(server.url, `CREATE DATABASE ${name}`)
    const database = new URL(server.url)
    database.pathname = `/${name}`
    return database
  }

  it("runs, keeps the password to itself, and goes on where it was", async () => {
    const first = await start("one")
    const hook = (manager: RunningManager, path: string) =>
      fetch(`${manager.url}/hooks?node=n1`, {
        method: "POST",
        headers: { authorization: `Bearer ${manager.key}`, "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ event: "available", path, id: "s1", type: "srtConn", node: "n1" })
      })
    expect((await hook(first, "cam")).status).toBe(204)
    const password = new URL(server.url).password
    expect(first.process.output()).not.toContain(password)
    expect(readFileSync(join(first.data, "server.json"), "utf8")).not.toContain(password)
    expect(await first.stop("SIGTERM")).toBe(0)
    const again = await start("one")
    const state = await again.json<{ readonly paths: ReadonlyArray<{ readonly path: string }> }>("/state")
    expect(state.paths.map(({ path }) => path)).toEqual(["cam"])
    expect(await again.stop("SIGTERM")).toBe(0)
  }, 60_000)

  it("three behind a round robin, one killed in the storm: nothing lost, no job twice, silence noticed once", async () => {
    const database = await makeDatabase("storm")
    // At the same moment: all three find an empty database.
    const managers = await Promise.all(["a", "b", "c"].map((name) => start(name, database.href)))

    /** As a proxy does it: the next one, and another one when that does not answer. What it says was acknowledged. */
    let next = 0
    const send = async (path: string, init: RequestInit): Promise<Response> => {
      for (let attempt = 0; attempt < 200; attempt++) {
        const manager = managers[next++ % managers.length]
        if (manager === undefined) throw new Error("no manager")
        try {
          const response = await fetch(`${manager.url}${path}`, {
            ...init,
            headers: { authorization: `Bearer ${manager.key}`, "content-type": "application/json" },
            signal: AbortSignal.timeout(15_000)
          })
          if (response.status < 500) return response
        } catch {
          // Killed.
        }
        await sleep(5)
      }
      throw new Error(`${path} was never answered`)
    }
    const post = (path: string, body: unknown) => send(path, { method: "POST", body: JSON.stringify(body) })
    /** So many at a time. */
    const each = async <A>(items: ReadonlyArray<A>, width: number, work: (item: A) => Promise<void>) => {
      const queue = [...items]
      await Promise.all(
        range(width).map(async () => {
          for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
        })
      )
    }
    const nodes = range(5).map((n) => `n${n}`)
    const beat = (node: string) =>
      post(`/nodes/${node}/heartbeat`, { instance: node, status: "ok", every: 1, mediamtxVersion: "v1.20.1" })

    let acknowledged = 0
    const hooks = each(range(900), 24, async (n) => {
      const node = nodes[n % nodes.length]
      const response = await post(`/hooks?node=${node}`, {
        ...{ event: "read", path: "cam", type: "webRTCSession", id: `r${n}`, query: "", node }
      })
      expect(response.status).toBe(204)
      acknowledged++
    })
    const requested = new Set<string>()
    const asking = each(range(90), 4, async (n) => {
      // Each window is asked for three times.
      const start = new Date(Date.UTC(2026, 0, 1) + Math.floor(n / 3) * 60_000).toISOString()
      const response = await post("/playback/requests", { path: "cam", start, duration: 10 })
      expect(response.status).toBe(202)
      const job = (await response.json()) as { readonly id: string }
      requested.add(job.id)
    })
    let over = false
    const leases: Array<string> = []
    const working = nodes.map(async (node) => {
      while (!over) {
        const response = await send(`/playback/jobs?node=${node}&wait=1`, { method: "GET" })
        if (response.status === 204) continue
        const { id, token } = (await response.json()) as { readonly id: string; readonly token: number }
        leases.push(`${id} ${token}`)
        const report = { status: "failed", token, reason: "NothingRecorded", message: "a test" }
        const done = await send(`/playback/jobs/${id}?node=${node}`, { method: "PUT", body: JSON.stringify(report) })
        // 409: acknowledged to a proxy that heard nothing of it, and sent again.
        expect([200, 204, 409]).toContain(done.status)
      }
    })
    const beating = each(
      range(40).flatMap(() => nodes),
      3,
      async (node) => {
        expect((await beat(node)).status).toBe(200)
        await sleep(20)
      }
    )
    while (acknowledged < 200) await sleep(1)
    await managers[1]?.process.stop("SIGKILL")
    expect(acknowledged).toBeLessThan(900)
    await Promise.all([hooks, asking, beating])
    // One job a window; a window that is asked for again after its job has failed gets another one.
    expect(requested.size).toBeGreaterThanOrEqual(30)

    const alive = managers.filter((_, n) => n !== 1)
    const ended = async () => {
      const jobs =
        await alive[0]?.json<ReadonlyArray<{ readonly id: string; readonly state: string }>>(
          "/playback/jobs?limit=1000"
        )
      return (jobs ?? []).filter(({ state }) => state === "failed")
    }
    // A job that was given out by the one that was killed may have to wait for its lease to run out.
    for (let left = 300; left > 0 && (await ended()).length < requested.size; left--) await sleep(100)
    over = true
    await Promise.all(working)
    expect(new Set((await ended()).map(({ id }) => id))).toEqual(requested)
    // No lease was given to two.
    expect(new Set(leases).size).toBe(leases.length)

    // Silence: stale after 2 intervals and 2 s, offline after 4 and 2 s.
    const nodeEvents = () =>
      query(
        database.href,
        "SELECT node, event::json ->> 'event' AS event FROM hook_log WHERE event::json ->> 'event' LIKE 'node_o%ine' OR event::json ->> 'event' IN ('node_discovered', 'node_stale') ORDER BY 1, 2"
      )
    const offline = async () => (await nodeEvents()).filter(({ event }) => event === "node_offline").length
    for (let left = 200; left > 0 && (await offline()) < nodes.length; left--) await sleep(100)
    // Another one that would be late by a moment.
    await sleep(1500)
    const events = (await nodeEvents()).map(({ event, node }) => `${String(node)} ${String(event)}`)
    expect(events).toEqual(
      nodes.flatMap((node) => ["discovered", "offline", "stale"].map((event) => `${node} node_${event}`))
    )
    const [log] = await query(
      database.href,
      "SELECT count(*) AS records, count(DISTINCT event::json ->> 'id') AS ids FROM hook_log WHERE event::json ->> 'event' = 'read'"
    )
    expect(log).toEqual({ records: 900, ids: 900 })
    expect(await Promise.all(alive.map((manager) => manager.stop("SIGTERM")))).toEqual([0, 0])
  }, 90_000)

  it("a rollout goes on when the manager that began it is killed, and any of them can take it back", async () => {
    const database = await makeDatabase("waves")
    const config = join(folder.path, "config")
    mkdirSync(config)
    const setBase = (path: string) => writeFileSync(join(config, "base.yml"), `paths:\n  ${path}: {}\n`)
    setBase("old")
    writeFileSync(
      join(config, "manager.yml"),
      'auth: { rules: [] }\nrollout:\n  canary: { nodes: "node=n0" }\n  waves: [{ nodes: "node=n1" }]\n  soak: 2s\n  deadline: 1m\n'
    )
    const managers = await Promise.all(["x", "y", "z"].map((name) => start(name, database.href, ["--config", config])))
    let alive = managers
    let calls = 0
    const nodes = range(4).map((n) => `n${n}`)
    const applied = new Map<string, string>()
    /** What the node was given last, by name of its one path. */
    const has = () => nodes.map((node) => /^ {2}"?(old|new|next)"?: /m.exec(applied.get(node) ?? "")?.[1])
    /** A node gets its config from one manager and tells another that it runs it, as behind a round robin. */
    const node = async (id: string) => {
      const hop = () => alive[calls++ % alive.length] ?? alive[0]
      const [giver, teller] = [hop(), hop()]
      if (giver === undefined || teller === undefined) return
      const response = await giver.get(`/?node=${id}`)
      const yaml = await response.text()
      const headers = { authorization: `Bearer ${teller.key}`, "content-type": "application/json" }
      const appliedHash = (response.headers.get("etag") ?? "").replaceAll('"', "")
      const body = JSON.stringify({ instance: id, status: "ok", every: 2, appliedHash })
      const told = await fetch(`${teller.url}/nodes/${id}/heartbeat`, { method: "POST", headers, body })
      expect([response.status, told.status]).toEqual([200, 200])
      applied.set(id, yaml)
    }
    interface Shown {
      readonly id: number
      readonly state: string
      readonly waves: ReadonlyArray<{ readonly releasedAt: string | null }>
    }
    /** Nodes call, twice a second, until that is so. */
    const until = async (what: string, holds: () => Promise<boolean>) => {
      for (let left = 120; left > 0; left--) {
        await Promise.all(nodes.map(node))
        if (await holds()) return
        await sleep(500)
      }
      const shown = await Promise.all(alive.map((manager) => manager.json("/rollouts")))
      throw new Error(`never: ${what}; nodes have ${has()}, rollouts are ${JSON.stringify(shown)}`)
    }
    const newest = async (manager = alive[0]): Promise<Shown | undefined> =>
      (await manager?.json<ReadonlyArray<Shown>>("/rollouts"))?.[0]
    await Promise.all(nodes.map(node))

    setBase("new")
    await until("the canary has it", async () => has().join() === "new,old,old,old")
    const [row] = await query(database.href, "SELECT record::json ->> 'state' AS state FROM rollouts")
    expect(row).toEqual({ state: "running" })
    const began = managers.filter((manager) => /rollout 1: 4 nodes in 3 waves/.test(manager.process.output()))
    expect(began).toHaveLength(1)
    const left = managers.filter((manager) => !began.includes(manager))
    alive = left
    await began[0]?.process.stop("SIGKILL")
    await until("all have it", async () => has().every((path) => path === "new"))
    await until("it is complete", async () => (await newest())?.state === "completed")
    expect(await Promise.all(alive.map(async (manager) => (await newest(manager))?.state))).toEqual([
      "completed",
      "completed"
    ])
    // Who comes back takes part.
    const again = await start("again", database.href, ["--config", config])
    alive = [again, ...left]
    setBase("next")
    await until("the canary has the next", async () => has().join() === "next,new,new,new")
    const abort = (manager: RunningManager | undefined) =>
      fetch(`${manager?.url}/rollouts/2/abort`, {
        method: "POST",
        headers: { authorization: `Bearer ${manager?.key}` }
      })
    expect((await abort(left[0])).status).toBe(200)
    expect((await abort(again)).status).toBe(409)
    await until("all are back", async () => has().every((path) => path === "new"))
    const shown = await Promise.all(alive.map((manager) => manager.json<ReadonlyArray<Shown>>("/rollouts")))
    for (const each of shown)
      expect(each.map(({ id, state }) => `${id} ${state}`)).toEqual(["2 aborted", "1 completed"])
    expect(await Promise.all(alive.map((manager) => manager.stop("SIGTERM")))).toEqual([0, 0, 0])
  }, 120_000)
})
