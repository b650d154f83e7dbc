/** A whole manager in workerd, called over HTTP: with state in the object's own SQLite, and in D1. */
import { createHash } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { Miniflare } from "miniflare"
import { afterAll, assert, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { bundle } from "./workerd/bundle.js"

const bearer = { authorization: "Bearer shared-key" }
const FORM = { ...bearer, "content-type": "application/x-www-form-urlencoded" }
const JSON_TYPE = { ...bearer, "content-type": "application/json" }

interface Running {
  readonly call: (path: string, init?: RequestInit) => ReturnType<Miniflare["dispatchFetch"]>
  /** Resolves when the object has served an alarm, since a time if one is given. */
  readonly alarm: (since?: number) => Promise<void>
  /** Kills workerd. */
  readonly stop: () => Promise<void>
}

let code = ""
const start = async (
  state: "object" | "d1",
  folder: string,
  { hurry = false }: { readonly hurry?: boolean } = {}
): Promise<Running> => {
  let heard = Number.NEGATIVE_INFINITY
  const wake: Array<() => void> = []
  const miniflare = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents: code }],
    compatibilityDate: "2026-03-01",
    host: "127.0.0.1",
    durableObjects: { MANAGER: { className: "ManagerObject", useSQLite: true } },
    durableObjectsPersist: join(folder, "objects"),
    d1Databases: ["DB"],
    d1Persist: join(folder, "d1"),
    bindings: {
      HURRY: hurry,
      STATE: state,
      SECRET: `sha256:${createHash("sha256").update("let me in").digest("base64")}`
    },
    handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
      createInterface(stdout).on("line", (line) => {
        if (!line.includes("the alarm has been served")) return
        heard = Date.now()
        for (const each of wake.splice(0)) each()
      })
      stderr.resume()
    }
  })
  await miniflare.ready
  let stopped: Promise<void> | undefined
  return {
    call: (path, init = {}) =>
      // Node's own types and miniflare's differ in what a body may be; these are strings.
      miniflare.dispatchFetch(`https://fleet.test${path}`, init as Parameters<Miniflare["dispatchFetch"]>[1]),
    alarm: async (since = 0) => {
      while (heard < since) await new Promise<void>((resolve) => wake.push(resolve))
    },
    stop: () => {
      stopped ??= miniflare.dispose()
      return stopped
    }
  }
}

const hook = (running: Running, id: number | string, event = "connect") =>
  running.call("/mtx/hooks?node=n1", { method: "POST", headers: FORM, body: `event=${event}&type=srtConn&id=${id}` })

const heartbeat = (running: Running, node: string) =>
  running.call(`/mtx/nodes/${node}/heartbeat`, {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify({ instance: "i1", status: "ok", mediamtxVersion: "v1.20.1" })
  })

/** Reads events until `enough` says so, then leaves. */
const events = async (running: Running, query: string, enough: (text: string) => boolean): Promise<string> => {
  const response = await running.call(`/mtx/events?${query}`, { headers: bearer })
  assert.strictEqual(response.status, 200)
  assert.include(response.headers.get("content-type"), "text/event-stream")
  if (response.body === null) throw new Error("no body")
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ""
  while (!enough(text)) {
    const { done, value } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  await reader.cancel()
  return text
}

const nodeOf = async (running: Running, node: string) => {
  const response = await running.call(`/mtx/nodes/${node}`, { headers: bearer })
  assert.strictEqual(response.status, 200)
  const record: unknown = await response.json()
  if (typeof record !== "object" || record === null) throw new Error("no record")
  return Object.fromEntries(Object.entries(record))
}

beforeAll(async () => {
  ;({ code } = await bundle(fileURLToPath(new URL("./workerd/ManagerWorker.ts", import.meta.url))))
})

for (const state of ["object", "d1"] as const) {
  describe(`a manager in workerd, state in ${state}`, () => {
    let folder = ""
    let running: Running
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "mtx-workers-"))
      running = await start(state, folder)
    })
    afterAll(async () => {
      await running.stop()
      await rm(folder, { recursive: true, force: true })
    })

    it("gives nodes their config, and says when they have it", async () => {
      const response = await running.call("/mtx/?node=n1", { headers: bearer })
      assert.strictEqual(response.status, 200)
      const text = await response.text()
      assert.include(text, "https://fleet.test/mtx/hooks?node=n1")
      assert.include(text, "https://fleet.test/mtx/auth?node=n1")
      assert.isTrue(text.endsWith("# end of mtx-manager config\n"))
      const etag = response.headers.get("etag") ?? ""
      const again = await running.call("/mtx/?node=n1", { headers: { ...bearer, "if-none-match": etag } })
      assert.strictEqual(again.status, 304)
      const stranger = await running.call("/mtx/?node=n1", { headers: { authorization: "Bearer wrong" } })
      assert.strictEqual(stranger.status, 401)
    })

    it("knows which nodes stand in for each other, sends viewers to them, and tells others of them", async () => {
      const ask = async (path: string) => running.call(`/mtx${path}`, { headers: bearer, redirect: "manual" })
      assert.strictEqual((await ask("/?node=ha-1")).status, 200)
      assert.match(
        await (await ask("/?node=ha-2")).text(),
        /rtsp:\/\/mtx-manager\.ha-2:[\w-]{43}@ha-1\.fleet\.test:8554\/cam/
      )
      assert.strictEqual((await ask("/streams/cam")).status, 503)
      const body = "event=available&path=cam&type=rtspSession&id=ha&query="
      await running.call("/mtx/hooks?node=ha-1", { method: "POST", headers: FORM, body })
      await expect.poll(async () => (await ask("/streams/cam?protocol=rtsp&x=1")).status).toBe(302)
      const found = await ask("/streams/cam?protocol=rtsp&x=1")
      assert.strictEqual(found.headers.get("location"), "rtsp://ha-1.fleet.test:8554/cam?x=1")
      assert.strictEqual((await running.call("/mtx/streams/cam")).status, 401)
      assert.include(await (await ask("/groups")).text(), '"acting":"ha-1"')
      const discovered = await ask("/discovery/haproxy?form=servers&protocol=rtmp&nodes=node=ha-*")
      assert.match(await discovered.text(), /^server ha-1 ha-1\.fleet\.test:1935 check\nserver ha-2 /)
    })

    it("decides by rules", async () => {
      const ask = async (password: string) => {
        const body = {
          ip: "203.0.113.9",
          user: "cam",
          password,
          token: password,
          action: "publish",
          path: "cam",
          protocol: "rtsp",
          id: null,
          query: "",
          userAgent: ""
        }
        const response = await running.call("/mtx/auth?node=n1&token=shared-key", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body)
        })
        return response.status
      }
      assert.strictEqual(await ask("let me in"), 204)
      assert.strictEqual(await ask("guess"), 403)
    })

    it("decides by rules who asks for clips and who cuts them, by the address that Cloudflare says", async () => {
      const ask = async (path: string, ip = "203.0.113.9") => {
        const response = await running.call("/mtx/playback/requests", {
          method: "POST",
          headers: { ...JSON_TYPE, "cf-connecting-ip": ip },
          body: JSON.stringify({ path, start: "2026-01-30T12:00:00.000Z", duration: 1_000 })
        })
        await response.text()
        return response.status
      }
      const work = async (node: string) => {
        const response = await running.call(`/mtx/playback/jobs?node=${node}&wait=0`, { headers: bearer })
        await response.text()
        return response.status
      }
      assert.strictEqual(await ask("yard"), 403)
      assert.strictEqual(await ask("cam", "203.0.113.66"), 403)
      assert.strictEqual(await work("n1"), 204)
      assert.strictEqual(await ask("cam"), 202)
      assert.strictEqual(await work("n2"), 403)
      assert.strictEqual(await work("n1"), 200)
    })

    it("records hooks, shows them in the state, and tells of them as they come", async () => {
      const live = events(running, "event=connect", (text) => text.includes('"id":"live"'))
      // The stream begins at some moment: what is reported again with another id is heard sooner or later.
      let heard = false
      const text = live.finally(() => {
        heard = true
      })
      for (let i = 0; !heard && i < 200; i++) {
        assert.strictEqual((await hook(running, "live")).status, 204)
        assert.strictEqual((await hook(running, "live", "disconnect")).status, 204)
      }
      assert.match(await text, /^id: \d+$/m)
      assert.strictEqual((await hook(running, "open")).status, 204)
      const shown = await (await running.call("/mtx/state", { headers: bearer })).json()
      assert.include(JSON.stringify(shown), '"id":"open"')
    })

    it("belongs to an app around it, which keeps its own routes", async () => {
      assert.strictEqual(await (await running.call("/hello")).text(), "from the app around it")
      assert.strictEqual((await running.call("/mtx/docs")).status, 200)
      assert.include(await (await running.call("/mtx/openapi.json")).text(), '"openapi"')
    })

    it("lets a silent node expire while it is in memory", async () => {
      assert.strictEqual((await heartbeat(running, "silent")).status, 200)
      const text = await events(running, "after=0&node=silent", (soFar) => soFar.includes("node_offline"))
      assert.isBelow(text.indexOf("node_stale"), text.indexOf("node_offline"))
      assert.strictEqual((await nodeOf(running, "silent"))["status"], "offline")
    })

    it("every hook that was acknowledged is there after the process was killed", async () => {
      const acknowledged: Array<number> = []
      const burst = Array.from({ length: 300 }, async (_, i) => {
        const response = await hook(running, i).catch(() => undefined)
        if (response?.status === 204) acknowledged.push(i)
        // In the middle of the others.
        if (acknowledged.length === 100) void running.stop()
      })
      await Promise.all(burst)
      await running.stop()
      assert.isAtLeast(acknowledged.length, 100)
      running = await start(state, folder)
      assert.strictEqual((await hook(running, "last")).status, 204)
      const text = await events(running, "after=0", (soFar) => soFar.includes('"id":"last"'))
      const missing = acknowledged.filter((id) => !text.includes(`"id":"${id}"`))
      assert.deepStrictEqual(missing, [])
    })

    it("is woken by its alarm when a node's silence is to be noticed", async () => {
      assert.strictEqual((await heartbeat(running, "lost")).status, 200)
      await running.stop()
      running = await start(state, folder)
      // Nobody has called it since.
      await running.alarm()
      const woken = Date.now()
      const text = await events(running, "after=0&node=lost", (soFar) => soFar.includes("node_offline"))
      assert.include(text, "node_stale")
      const record = await nodeOf(running, "lost")
      assert.strictEqual(record["status"], "offline")
      assert.isBelow(Date.parse(String(record["statusSince"])), woken + 2000)
    })
  })
}

for (const state of ["object", "d1"] as const) {
  it(`clips are made in workerd, and known after it was killed, state in ${state}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "mtx-workers-"))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const first = await start(state, folder)
    onTestFinished(() => first.stop())
    const json = (method: string, body: unknown) => ({ method, headers: JSON_TYPE, body: JSON.stringify(body) })
    // Loosely typed: a wrong look fails the test.
    const read = async (reply: ReturnType<Running["call"]>, status: number): Promise<Record<string, unknown>> => {
      const response = await reply
      const text = await response.text()
      assert.strictEqual(response.status, status, text)
      return JSON.parse(text)
    }
    const file = "/recordings/cam/2026-01-31_12-00-00-000000.mp4"
    const segment = await first.call("/mtx/hooks?node=n1", {
      method: "POST",
      headers: FORM,
      body: `event=record_segment_complete&path=cam&segment_duration=10&raw_segment_path=${file}`
    })
    assert.strictEqual(segment.status, 204)
    const window = { path: "cam", start: "2026-01-31T12:00:02.000Z", duration: 5_000 }
    const { id } = await read(first.call("/mtx/playback/requests", json("POST", window)), 202)
    const job = await read(first.call("/mtx/playback/jobs?node=n1&wait=10", { headers: bearer }), 200)
    assert.strictEqual(job["id"], id)
    const { headers, url } = job["upload"] as { headers: Record<string, string>; url: string }
    const path = url.slice("https://fleet.test".length)
    const put = await first.call(path, { method: "PUT", headers, body: "a clip" })
    assert.strictEqual(put.status, 200, await put.text())
    const report = { status: "done", token: job["token"], size: 6, duration: 5_000, gaps: [] }
    await read(first.call(`/mtx/playback/jobs/${id}?node=n1`, json("PUT", report)), 200)
    const done = await read(first.call(`/mtx/playback/jobs/${id}`, { headers: bearer }), 200)
    assert.strictEqual(done["state"], "done")
    assert.deepInclude(done["clip"], { id, size: 6, bucket: state, duration: 5_000, filename: `${id}.mp4` })
    await first.stop()

    const second = await start(state, folder)
    onTestFinished(() => second.stop())
    const known = await read(second.call(`/mtx/playback/jobs/${id}`, { headers: bearer }), 200)
    assert.strictEqual(known["state"], "done")
    const { spans } = await read(second.call("/mtx/recordings?path=cam", { headers: bearer }), 200)
    assert.deepStrictEqual(spans, [
      { start: "2026-01-31T12:00:00.000Z", end: "2026-01-31T12:00:10.000Z", open: false, nodes: ["n1"] }
    ])
  })
}

for (const state of ["object", "d1"] as const) {
  it(`clip jobs end by time alone in workerd, and nobody has to call for it, state in ${state}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "mtx-workers-"))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const first = await start(state, folder, { hurry: true })
    onTestFinished(() => first.stop())
    const file = "/recordings/cam/2026-01-31_12-00-00-000000.mp4"
    const segment = await first.call("/mtx/hooks?node=n1", {
      method: "POST",
      headers: FORM,
      body: `event=record_segment_complete&path=cam&segment_duration=10&raw_segment_path=${file}`
    })
    assert.strictEqual(segment.status, 204)
    const ask = async (start: string): Promise<string> => {
      const body = JSON.stringify({ path: "cam", start, duration: 2_000 })
      const response = await first.call("/mtx/playback/requests", { method: "POST", headers: JSON_TYPE, body })
      assert.strictEqual(response.status, 202)
      // Loosely typed: a wrong look fails the test.
      const { id } = (await response.json()) as { id: string }
      return id
    }
    const leased = await ask("2026-01-31T12:00:02.000Z")
    const job = await first.call("/mtx/playback/jobs?node=n1&wait=10", { headers: bearer })
    assert.strictEqual(job.status, 200)
    // The worker and everybody else are gone from here on.
    const left = await ask("2026-01-31T12:00:05.000Z")
    const expires = Date.now() + 3_000
    await first.stop()

    const second = await start(state, folder, { hurry: true })
    onTestFinished(() => second.stop())
    await second.alarm(expires)
    const called = Date.now()
    const ended = async (id: string) => {
      const response = await second.call(`/mtx/playback/jobs/${id}`, { headers: bearer })
      assert.strictEqual(response.status, 200)
      return (await response.json()) as { state: string; updatedAt: string; lastFailure: { reason: string } | null }
    }
    const lost = await ended(leased)
    assert.strictEqual(lost.state, "failed")
    assert.strictEqual(lost.lastFailure?.reason, "LeaseExpired")
    const expired = await ended(left)
    assert.strictEqual(expired.state, "expired")
    for (const { updatedAt } of [lost, expired]) assert.isBelow(Date.parse(updatedAt), called)
  })
}
