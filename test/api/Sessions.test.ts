import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as JwtIssuer from "../../src/services/JwtIssuer.js"
import * as JwtKeys from "../../src/services/JwtKeys.js"
import { authBody } from "./Fixture.js"
import { path, reader, world } from "./World.js"

const value = { config: { paths: { cam: {} } } }

describe("POST /sessions/ID/kick", () => {
  it.scoped("gives the command to the node's updater, again and again until that confirms it", () =>
    Effect.gen(function* () {
      const { ask, beat } = yield* world(value)
      yield* beat("n1", { paths: [path("cam", "rtspSession", reader("viewer", "srtConn"))] })
      const kicked = yield* ask("POST", "/sessions/viewer/kick")
      assert.strictEqual(kicked.status, 202, kicked.text)
      const { id } = kicked.json()
      assert.deepInclude(kicked.json(), {
        node: "n1",
        state: "waiting",
        command: { type: "kick", session: "srtConn", id: "viewer" }
      })
      // Once more is the same command.
      assert.strictEqual((yield* ask("POST", "/sessions/viewer/kick")).json().id, id)
      const out = [{ type: "kick", session: "srtConn", id: "viewer", command: id }]
      const rest = { paths: [path("cam", "rtspSession")] }
      assert.deepStrictEqual((yield* beat("n1")).commands, out)
      assert.deepStrictEqual((yield* beat("n2")).commands, [])
      assert.deepStrictEqual((yield* beat("n1")).commands, out)
      const answer = yield* beat("n1", { ...rest, commands: [{ command: id, outcome: "done" }] })
      assert.deepStrictEqual(answer.commands, [])
      assert.deepInclude((yield* ask("GET", `/commands/${id}`)).json(), { state: "done" })
      assert.deepStrictEqual(
        (yield* ask("GET", "/nodes/n1/commands")).json().map((command: { id: string }) => command.id),
        [id]
      )
    })
  )

  it.scoped("finds publishers too, and says what is not there or can't be ended", () =>
    Effect.gen(function* () {
      const { ask, beat } = yield* world(value)
      yield* beat("n1", { paths: [path("cam", "rtspSession", reader("r", "webRTCSession"), reader("c", "rtspConn"))] })
      assert.deepInclude((yield* ask("POST", "/sessions/cam-source/kick")).json().command, { session: "rtspSession" })
      const missing = yield* ask("POST", "/sessions/nobody/kick")
      assert.deepInclude(missing.json(), { _tag: "NotFound" })
      assert.include(missing.json().message, "GET /state")
      const connection = yield* ask("POST", "/sessions/c/kick")
      assert.strictEqual(connection.status, 409)
      assert.include(connection.json().message, "end its session")
      assert.strictEqual((yield* ask("GET", "/commands/none")).status, 404)
      assert.strictEqual((yield* ask("GET", "/sessions/r/kick")).status, 405)
    })
  )

  it.scoped("says that a node without the updater, or whose updater has no API, can't be told", () =>
    Effect.gen(function* () {
      const { ask, beat } = yield* world(value)
      const hook = (node: string, id: string) =>
        ask("POST", `/hooks?node=${node}`, { event: "read", path: "cam", query: "", type: "rtspSession", id })
      yield* ask("GET", "/?node=loop&every=10")
      assert.strictEqual((yield* hook("loop", "v1")).status, 204)
      yield* Effect.yieldNow()
      const loop = yield* ask("POST", "/sessions/v1/kick")
      assert.strictEqual(loop.status, 409, loop.text)
      assert.include(loop.json().message, "runs without mtx-updater")
      assert.include(loop.json().message, "/v3/rtspsessions/kick/v1")
      yield* beat("blind", { mediamtxVersion: undefined })
      yield* hook("blind", "v2")
      const blind = yield* ask("POST", "/sessions/v2/kick")
      assert.strictEqual(blind.status, 409, blind.text)
      assert.include(blind.json().message, "MEDIAMTX_API")
      // Booted by the plain command, a node has no updater any more.
      yield* beat("was", {})
      yield* hook("was", "v3")
      yield* ask("GET", "/?node=was&boot=1")
      yield* TestClock.adjust("1 second")
      yield* hook("was", "v4")
      assert.strictEqual((yield* ask("POST", "/sessions/v4/kick")).status, 409)
    })
  )
})

describe("a node's acknowledgement", () => {
  it.scoped("is in GET /nodes, and an event when it changes", () =>
    Effect.gen(function* () {
      const { ask, beat, render, source } = yield* world(value)
      const view = (node: string) => Effect.map(ask("GET", `/nodes/${node}`), (answer) => answer.json())
      const first = (yield* render("n1")).hash
      yield* beat("n1", {})
      assert.deepInclude(yield* view("n1"), {
        configStatus: "applied",
        configSince: "1970-01-01T00:00:00.000Z",
        wantedHash: first,
        appliedHash: first
      })
      yield* TestClock.adjust("5 seconds")
      yield* source.set({ config: { paths: { cam: {}, door: {} } } })
      // Nobody has called since: the answer is of now all the same.
      const [listed] = (yield* ask("GET", "/nodes")).json()
      const { hash } = yield* render("n1")
      assert.deepInclude(listed, {
        configStatus: "wanted",
        configSince: "1970-01-01T00:00:05.000Z",
        wantedHash: hash,
        wantedSince: "1970-01-01T00:00:05.000Z",
        appliedHash: first
      })
      yield* beat("n1", { appliedHash: first, status: "failed", error: "MediaMTX went away" })
      assert.deepInclude(yield* view("n1"), { configStatus: "failed", error: "MediaMTX went away" })
      // What is wrong beside the config does not count against it.
      yield* beat("n1", { appliedHash: first, status: "failed", error: "no API", configError: null })
      assert.deepInclude(yield* view("n1"), { configStatus: "wanted", error: "no API" })
      yield* beat("n1", {})
      assert.deepInclude(yield* view("n1"), { configStatus: "applied", error: null })

      // The refresh loop says it by If-None-Match.
      const poll = (hash: string) => ask("GET", "/?node=loop&every=10", undefined, { "if-none-match": `"${hash}"` })
      const { hash: own } = yield* render("loop")
      yield* ask("GET", "/?node=loop&boot=1")
      assert.deepInclude(yield* view("loop"), { configStatus: "unknown", wantedHash: own })
      assert.strictEqual((yield* poll(own)).status, 304)
      assert.deepInclude(yield* view("loop"), { configStatus: "applied" })
      yield* poll("f".repeat(64))
      assert.deepInclude(yield* view("loop"), { configStatus: "drifted" })
      assert.strictEqual((yield* ask("DELETE", "/nodes/loop")).status, 204)
      yield* ask("GET", "/?node=loop&boot=1")
      assert.deepInclude(yield* view("loop"), { configStatus: "unknown" })
    })
  )
})

describe("tokens that were taken back", () => {
  const audience = "https://example.com"
  const tokenWorld = Effect.gen(function* () {
    const issuer = JwtIssuer.layer({ issuer: audience }).pipe(Layer.provide(JwtKeys.layerMemory))
    const { ask, beat } = yield* world(value, { more: Layer.orDie(issuer) })
    const issue = (lifetime: number) =>
      Effect.map(ask("POST", "/tokens", { permissions: [{ action: "read", path: "cam" }], lifetime }), (answer) => {
        assert.strictEqual(answer.status, 201, answer.text)
        return answer.json() as { readonly token: string; readonly id: string }
      })
    const auth = (id: string, over: Readonly<Record<string, unknown>>) =>
      Effect.map(ask("POST", "/auth?node=n1", authBody({ id, ...over })), ({ status }) => status)
    const kicks = Effect.map(beat("n1"), ({ commands }: { commands: ReadonlyArray<{ id: string }> }) =>
      commands.map(({ id }) => id).sort()
    )
    return { ask, beat, issue, auth, kicks }
  })

  it.scoped("are denied from then on, and the sessions that came in by them are ended", () =>
    Effect.gen(function* () {
      const { ask, auth, beat, issue, kicks } = yield* tokenWorld
      const { id, token } = yield* issue(3600)
      const other = yield* issue(3600)
      assert.strictEqual(yield* auth("s1", { password: token, token }), 204)
      assert.strictEqual(yield* auth("s2", { query: `jwt=${token}` }), 204)
      assert.strictEqual(yield* auth("s3", { token: other.token }), 204)
      assert.strictEqual(yield* auth("s4", { user: "u", password: "p" }), 204)
      // A node that decides by itself: its hook has the token in the query.
      const hook = { event: "read", path: "cam", type: "rtspSession", id: "s5", query: `a=b&jwt=${token}` }
      assert.strictEqual((yield* ask("POST", "/hooks?node=n1", hook)).status, 204)
      yield* beat("n1", {
        paths: [path("cam", "rtspSession", ...["s1", "s2", "s3", "s4", "s5"].map((s) => reader(s)))]
      })
      yield* ask("POST", "/hooks?node=loop", { ...hook, id: "s6" })
      yield* Effect.yieldNow()

      const revoked = yield* ask("POST", `/tokens/${id}/revoke`)
      assert.strictEqual(revoked.status, 200, revoked.text)
      assert.deepStrictEqual(
        revoked
          .json()
          .kicked.map(({ command }: { command: { id: string } }) => command.id)
          .sort(),
        ["s1", "s2", "s5"]
      )
      assert.deepStrictEqual(
        revoked.json().notKicked.map(({ session }: { session: string }) => session),
        ["s6"]
      )
      assert.deepStrictEqual(yield* kicks, ["s1", "s2", "s5"])
      assert.strictEqual(yield* auth("s7", { password: token, token }), 403)
      // Nothing but a token in the URL: the client is asked for other credentials.
      assert.strictEqual(yield* auth("s7", { query: `token=${token}` }), 401)
      assert.strictEqual(yield* auth("s8", { token: other.token }), 204)
      assert.deepStrictEqual(
        (yield* ask("GET", "/tokens/revoked")).json().map((each: { id: string }) => each.id),
        [id]
      )
      assert.notInclude((yield* ask("GET", "/tokens/revoked")).text, "eyJ")
      assert.strictEqual((yield* ask("POST", "/tokens/nonsense/revoke")).status, 400)
    })
  )

  it.scoped("a session ends with its token", () =>
    Effect.gen(function* () {
      const { auth, beat, issue, kicks } = yield* tokenWorld
      const short = yield* issue(60)
      const long = yield* issue(3600)
      yield* auth("s1", { token: short.token })
      yield* auth("s2", { token: long.token })
      yield* auth("gone", { token: short.token })
      yield* beat("n1", { paths: [path("cam", "rtspSession", reader("s1"), reader("s2"))] })
      yield* TestClock.adjust("50 seconds")
      assert.deepStrictEqual(yield* kicks, [])
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(yield* kicks, ["s1"])
    })
  )
})
