import type { Hono } from "hono"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import { parse } from "yaml"
import auth from "../../examples/hono-auth/index.js"
import basic from "../../examples/hono-basic/index.js"
import { createApp } from "../../examples/hono-full/index.js"
import hooks, { newest } from "../../examples/hono-hooks/index.js"
import { memory } from "../../src/storage.js"
import { authCall, bearer, hookCall } from "../adapters/hono/Serve.js"

const configOf = async (app: Hono) => {
  const reply = await app.request("/")
  assert.strictEqual(reply.status, 200)
  const text = await reply.text()
  assert.match(text, /# end of mtx-manager config\n$/)
  return parse(text)
}

/** What a program prints, kept off the test's own output. */
const printed = () => {
  const lines: Array<string> = []
  const spy = vi.spyOn(console, "log").mockImplementation((...parts) => void lines.push(parts.map(String).join(" ")))
  onTestFinished(() => spy.mockRestore())
  return lines
}

describe("examples", () => {
  it("hono-basic serves a config", async () => {
    assert.deepEqual(await configOf(basic), {
      rtmp: false,
      srt: false,
      paths: {
        lobby: { record: true, recordDeleteAfter: "7d" },
        roof: { source: "rtsp://192.0.2.10/stream", sourceOnDemand: true }
      }
    })
    assert.strictEqual((await basic.request("/hooks", hookCall("event=init&path=lobby"))).status, 404)
  })

  it("hono-hooks hears of events", async () => {
    const lines = printed()
    const config = await configOf(hooks)
    assert.include(config.pathDefaults.runOnAvailable, "https://example.com/hooks")
    assert.notProperty(config.pathDefaults, "runOnRead")
    const calls = [
      "event=record_segment_complete&path=roof&segment_duration=3600.04&raw_segment_path=/recordings/roof/1.mp4",
      "event=connect&type=rtspConn&id=c1"
    ]
    for (const call of calls) assert.strictEqual((await hooks.request("/hooks", hookCall(call))).status, 204)
    assert.deepEqual([...newest], [["roof", { file: "/recordings/roof/1.mp4", seconds: 3600.04 }]])
    assert.deepEqual(lines, ["rtspConn c1: connect"])
  })

  it("hono-auth decides", async () => {
    printed()
    assert.strictEqual((await configOf(auth)).authHTTPAddress, "https://example.com/auth")
    const ask = async (over: Readonly<Record<string, unknown>>) => (await auth.request("/auth", authCall(over))).status
    assert.strictEqual(await ask({ path: "lobby" }), 204)
    assert.strictEqual(await ask({ path: "roof" }), 401)
    assert.strictEqual(await ask({ path: "roof", query: "ticket=t-1" }), 204)
    assert.strictEqual(await ask({ path: "roof", protocol: "srt" }), 403)
    const publish = { action: "publish", path: "roof", user: "encoder" }
    assert.strictEqual(await ask({ ...publish, password: "a-long-random-password" }), 204)
    assert.strictEqual(await ask({ ...publish, password: "another" }), 403)
    assert.strictEqual(await ask({ action: "api", path: "", protocol: "", user: "encoder" }), 403)
    assert.strictEqual((await auth.request("/hooks", hookCall("event=init&path=roof"))).status, 204)
  })

  it("hono-full manages a fleet", async () => {
    const key = "the-key-of-the-example"
    let announced = (_: string) => {}
    const first = new Promise<string>((resolve) => {
      announced = resolve
    })
    const { app, mediamtx } = createApp({
      base: "https://example.com",
      key,
      storage: memory(),
      announce: (text) => announced(text)
    })
    onTestFinished(() => mediamtx.dispose())
    const as = (init: RequestInit = {}): RequestInit => ({ ...init, headers: { ...init.headers, ...bearer(key) } })

    const config = parse(await (await app.request("/?node=cellar-1&boot=1", as())).text())
    assert.deepEqual(Object.keys(config.paths).slice(0, 4), ["lobby", "outside/roof", "~^guest_(.*)$", "cellar"])
    assert.strictEqual(config.rtmp, false)
    assert.strictEqual(await first, "online: cellar-1")

    const ask = async (over: Readonly<Record<string, unknown>>) =>
      (await app.request("/auth?node=cellar-1", as(authCall(over)))).status
    assert.strictEqual(await ask({ path: "lobby" }), 204)
    assert.strictEqual(await ask({ action: "publish", path: "outside/roof", user: "roof-camera", password: "p" }), 204)
    assert.strictEqual(await ask({ action: "publish", path: "guest_7", token: "guest-token" }), 204)
    assert.strictEqual(await ask({ action: "publish", path: "guest_7", token: "wrong" }), 403)
    const worker = { action: "playback", path: "lobby", user: "mtx-playback" }
    assert.strictEqual(await ask({ ...worker, password: "worker-password" }), 204)
    assert.strictEqual(await ask({ ...worker, password: "guess" }), 403)

    const event = "event=available&path=guest_7&type=webRTCSession&id=s1&query="
    assert.strictEqual((await app.request("/hooks?node=cellar-1", as(hookCall(event)))).status, 204)
    const onAir = await (await app.request("/on-air")).json()
    assert.deepEqual(
      onAir.map((each: { readonly node: string; readonly path: string }) => [each.node, each.path]),
      [["cellar-1", "guest_7"]]
    )
    assert.strictEqual((await app.request("/nodes", as())).status, 200)

    // The program asks for a clip, and the worker beside the node gets the job.
    const clip = Promise.resolve(app.request("/lobby-a-minute-ago"))
    const recorded = `event=record_segment_complete&path=lobby&segment_duration=3600&raw_segment_path=/recordings/lobby/1.mp4`
    assert.strictEqual((await app.request("/hooks?node=cellar-1", as(hookCall(recorded)))).status, 204)
    const job = await (await app.request("/playback/jobs?node=cellar-1&wait=10", as())).json()
    assert.deepInclude(job, { path: "lobby", duration: 10_000 })
    const { headers, url } = job.upload
    assert.strictEqual((await app.request(url, { method: "PUT", headers, body: "a clip" })).status, 200)
    const done = { status: "done", token: job.token, size: 6, duration: 10_000, gaps: [] }
    const report = as({ method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(done) })
    assert.strictEqual((await app.request(`/playback/jobs/${job.id}?node=cellar-1`, report)).status, 200)
    const { headers: answered, status } = await clip
    assert.strictEqual(status, 302)
    assert.strictEqual(await (await app.request(answered.get("location") ?? "")).text(), "a clip")
  })
})
