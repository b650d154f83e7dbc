/** Sessions of the dashboard, and what a browser could be made to do with one. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as DashboardSessions from "../../src/services/DashboardSessions.js"
import { Door, doors } from "./Door.js"
import { ADMIN_KEY, KEY } from "./Fixture.js"
import { world } from "./World.js"

const ours = { "x-mtx-dashboard": "1" }
const json = { "content-type": "application/json" }

const login = (key: string, headers: Readonly<Record<string, string>> = ours) =>
  Effect.flatMap(Door, (door) =>
    door.call("/dashboard-session", { method: "POST", headers: { ...json, ...headers }, body: JSON.stringify({ key }) })
  )
const cookieOf = (headers: Readonly<Record<string, string>>) => (headers["set-cookie"] ?? "").split(";")[0] ?? ""

describe("DashboardSessions", () => {
  const make = (viewerKey?: string) =>
    DashboardSessions.make({
      adminKey: Redacted.make("admin-key"),
      viewerKey: viewerKey === undefined ? undefined : Redacted.make(viewerKey),
      lasts: "1 hour"
    })

  it.effect("are good until they expire, at every manager with the same keys", () =>
    Effect.gen(function* () {
      const { cookie, session } = yield* (yield* make("viewer-key")).begin("viewer")
      const other = yield* make("viewer-key")
      assert.deepStrictEqual(yield* other.verify(cookie), Option.some(session))
      assert.isTrue(Option.isNone(yield* (yield* make("another-key")).verify(cookie)))
      assert.isTrue(Option.isNone(yield* (yield* make()).verify(cookie)))
      yield* TestClock.adjust("59 minutes")
      assert.isTrue(Option.isSome(yield* other.verify(cookie)))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Option.isNone(yield* other.verify(cookie)))
    })
  )

  it.effect("can't be altered, and end when they are ended", () =>
    Effect.gen(function* () {
      const sessions = yield* make("viewer-key")
      const { cookie, session } = yield* sessions.begin("viewer")
      const [version, role, expires, id, signature] = cookie.split(".")
      for (const altered of [
        `${version}.admin.${expires}.${id}.${signature}`,
        `${version}.${role}.${Number(expires) + 1}.${id}.${signature}`,
        `${version}.${role}.${expires}.${crypto.randomUUID()}.${signature}`,
        cookie.slice(0, -1),
        `${cookie}A`,
        ""
      ]) {
        assert.isTrue(Option.isNone(yield* sessions.verify(altered)), altered)
      }
      yield* sessions.end(session)
      assert.isTrue(Option.isNone(yield* sessions.verify(cookie)))
    })
  )
})

describe("the viewer key", () => {
  it.scoped("looks, and changes nothing: as a session and as a credential", () =>
    Effect.gen(function* () {
      const viewerKey = "viewer-key-for-the-wall"
      const { ask } = yield* world({ config: { paths: { cam: {} } } }, { viewerKey })
      const begun = yield* ask("POST", "/dashboard-session", { key: viewerKey }, ours)
      assert.strictEqual(begun.json().role, "viewer")
      const bearer = { authorization: `Bearer ${viewerKey}` }
      for (const path of ["/state", "/nodes", "/config/revisions", "/rollouts", "/playback/jobs"]) {
        assert.notInclude([401, 403], (yield* ask("GET", path, undefined, bearer)).status, path)
      }
      for (const [method, path, body] of [
        ["GET", "/config", undefined],
        ["GET", "/config/revisions/1", undefined],
        ["GET", "/config/explain?node=n1&field=logLevel", undefined],
        ["GET", "/tokens/revoked", undefined],
        ["GET", "/?node=n1", undefined],
        ["POST", "/plan", { base: {} }],
        ["DELETE", "/nodes/n1", undefined],
        ["POST", "/sessions/x/kick", undefined],
        ["POST", "/nodes/n1/heartbeat", { instance: "i", status: "ok" }]
      ] as const) {
        assert.include([401, 403], (yield* ask(method, path, body, bearer)).status, `${method} ${path}`)
      }
    })
  )
})

for (const [name, door] of Object.entries(doors)) {
  layer(door)(`the dashboard's session, ${name}`, (it) => {
    it.effect("is begun with the admin key, opens the API, and is ended", () =>
      Effect.gen(function* () {
        const { call } = yield* Door
        const begun = yield* login(ADMIN_KEY)
        assert.strictEqual(begun.status, 200, begun.text)
        assert.strictEqual(begun.json().role, "admin")
        const set = begun.headers["set-cookie"] ?? ""
        assert.match(set, /; Max-Age=43200; HttpOnly; SameSite=Strict$/)
        const cookie = cookieOf(begun.headers)
        const headers = { cookie, ...ours }
        assert.strictEqual((yield* call("/state", { headers: { cookie } })).status, 200)
        assert.strictEqual((yield* call("/dashboard-session", { headers })).status, 200)
        const ended = yield* call("/dashboard-session", { method: "DELETE", headers })
        assert.strictEqual(ended.status, 204)
        assert.match(ended.headers["set-cookie"] ?? "", /^mtx_session=; Max-Age=0/)
        const after = yield* call("/state", { headers })
        assert.strictEqual(after.status, 401)
        assert.isUndefined(after.headers["www-authenticate"], "the browser would ask for a password itself")
        assert.isDefined((yield* call("/state")).headers["www-authenticate"])
      })
    )

    it.effect("is Secure behind https", () =>
      Effect.gen(function* () {
        const begun = yield* login(ADMIN_KEY, { ...ours, "x-forwarded-proto": "https" })
        assert.match(begun.headers["set-cookie"] ?? "", /; Secure$/)
      })
    )

    it.effect("is not begun with another key, nor by another page", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* login("not-the-key")).status, 401)
        assert.strictEqual((yield* login(KEY)).status, 401)
        assert.strictEqual((yield* login(ADMIN_KEY, {})).status, 403)
        assert.strictEqual((yield* login(ADMIN_KEY, { ...ours, "sec-fetch-site": "cross-site" })).status, 403)
        assert.strictEqual((yield* login(ADMIN_KEY, { ...ours, "content-type": "text/plain" })).status, 415)
        assert.strictEqual((yield* login("")).status, 400)
      })
    )

    it.effect("changes nothing for a page of another origin", () =>
      Effect.gen(function* () {
        const { call } = yield* Door
        const cookie = cookieOf((yield* login(ADMIN_KEY)).headers)
        const remove = (headers: Readonly<Record<string, string>>) =>
          Effect.map(
            call("/nodes/nobody", { method: "DELETE", headers: { cookie, ...headers } }),
            ({ status }) => status
          )
        assert.strictEqual(yield* remove({}), 403)
        assert.strictEqual(yield* remove({ ...ours, "sec-fetch-site": "same-site" }), 403)
        assert.strictEqual(yield* remove({ ...ours, origin: "https://evil.example" }), 403)
        assert.strictEqual(yield* remove({ ...ours, origin: "null" }), 403)
        assert.strictEqual(yield* remove({ ...ours, "sec-fetch-site": "same-origin" }), 404)
        assert.strictEqual(
          yield* remove({ ...ours, origin: "https://fleet.example", "x-forwarded-host": "fleet.example" }),
          404
        )
        const read = yield* call("/state", { headers: { cookie, "sec-fetch-site": "cross-site" } })
        assert.strictEqual(read.status, 403)
      })
    )

    it.effect("gives no rights on the nodes' own routes", () =>
      Effect.gen(function* () {
        const { call } = yield* Door
        const cookie = cookieOf((yield* login(ADMIN_KEY)).headers)
        assert.strictEqual((yield* call("/?node=n1", { headers: { cookie, ...ours } })).status, 401)
      })
    )

    it.effect("belongs to a page that only takes what is its own", () =>
      Effect.gen(function* () {
        const { call } = yield* Door
        const page = yield* call("/dashboard")
        if (page.status === 404) {
          assert.match(page.json().message, /npm run build/)
          return
        }
        assert.strictEqual(page.status, 200)
        assert.match(page.headers["content-security-policy"] ?? "", /^default-src 'self';/)
        assert.notMatch(page.headers["content-security-policy"] ?? "", /unsafe|\*/)
        const again = yield* call("/dashboard", { headers: { "if-none-match": page.headers["etag"] ?? "" } })
        assert.strictEqual(again.status, 304)
        assert.strictEqual((yield* call("/dashboard", { method: "POST" })).status, 405)
      })
    )
  })
}
