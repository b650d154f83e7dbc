import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { HookBus } from "../../src/services/HookBus.js"
import { Door, doors } from "./Door.js"
import { ADMIN_KEY, authBody, KEY, node, Probe, tokenOf } from "./Fixture.js"

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })
const basic = (user: string, secret: string) => ({ authorization: `Basic ${btoa(`${user}:${secret}`)}` })
const JSON_TYPE = { "content-type": "application/json" }
const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" }

const fieldsOf = (issues: ReadonlyArray<{ readonly field: string }>) => issues.map((issue) => issue.field)
const records = Effect.flatMap(HookBus, (bus) => bus.read({ after: 0, limit: 1_000 }))
const lastRecord = Effect.map(records, (all) => all.at(-1))

/** Breaks a service for as long as `body` runs. */
const whileBroken = <A, E, R>(what: keyof Probe["Type"]["broken"], body: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Probe, (probe) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        probe.broken[what] = true
      }),
      () => body,
      () =>
        Effect.sync(() => {
          probe.broken[what] = false
        })
    )
  )

// Both ways must give the same answers: every expectation stands once and is checked twice.
for (const [name, door] of Object.entries(doors)) {
  layer(door)(name, (it) => {
    describe("GET /", () => {
      it.effect("gives a node its config with a length, an ETag and no caching", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const reply = yield* call("/?node=n1", { headers: bearer(yield* tokenOf("n1")) })
          assert.strictEqual(reply.status, 200)
          assert.match(reply.headers["etag"] ?? "", /^"[0-9a-f]{64}"$/)
          assert.strictEqual(reply.headers["content-type"], "text/yaml; charset=utf-8")
          assert.strictEqual(reply.headers["cache-control"], "no-store")
          assert.strictEqual(reply.headers["content-length"], String(Buffer.byteLength(reply.text)))
          assert.isTrue(reply.text.endsWith("# end of mtx-manager config\n"))
        })
      )

      it.effect("understands what busybox makes of an address without a path", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const whole = yield* call("/?node=n1", { headers: bearer(KEY) })
          const reply = yield* call("/node=n1", { headers: bearer(KEY) })
          assert.strictEqual(reply.status, 200)
          assert.strictEqual(reply.text, whole.text)
        })
      )

      it.effect("HEAD has the same headers and no body", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const get = yield* call("/?node=n1", { headers: bearer(KEY) })
          const head = yield* call("/?node=n1", { method: "HEAD", headers: bearer(KEY) })
          assert.strictEqual(head.status, 200)
          assert.strictEqual(head.text, "")
          for (const header of ["etag", "content-type", "cache-control"]) {
            assert.strictEqual(head.headers[header], get.headers[header], header)
          }
        })
      )

      it.effect("304 for the ETag it has: alone, weak, in a list, or any", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const first = yield* call("/?node=n1", { headers: bearer(KEY) })
          const etag = first.headers["etag"] ?? ""
          for (const header of [etag, ` ${etag} `, `W/${etag}`, `"other", ${etag}`, `"a",W/${etag} ,"b"`, "*"]) {
            const reply = yield* call("/?node=n1", { headers: { ...bearer(KEY), "if-none-match": header } })
            assert.strictEqual(reply.status, 304, header)
            assert.strictEqual(reply.headers["etag"], etag)
            assert.strictEqual(reply.text, "")
          }
          for (const header of ['"other"', etag.slice(1, -1), '"*"', "", ","]) {
            const reply = yield* call("/?node=n1", { headers: { ...bearer(KEY), "if-none-match": header } })
            assert.strictEqual(reply.status, 200, header)
          }
        })
      )

      it.effect("a poll that promises the next one is a heartbeat with the hash it has", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const probe = yield* Probe
          const { headers } = yield* call("/?node=poller", { headers: bearer(KEY) })
          const etag = headers["etag"] ?? ""
          yield* call("/?node=poller&every=10", { headers: { ...bearer(KEY), "if-none-match": etag } })
          yield* call("/?node=poller&boot=1&version=v1.18.0", { headers: bearer(KEY) })
          const seen = probe.observed.filter(([id]) => id === "poller").map(([, { address: _, ...rest }]) => rest)
          const none = {
            via: "config" as const,
            nextWithin: undefined,
            appliedHash: undefined,
            boot: undefined,
            mediamtxVersion: undefined
          }
          assert.deepStrictEqual(seen, [
            none,
            { ...none, nextWithin: 10_000, appliedHash: etag.slice(1, -1) },
            { ...none, boot: true, mediamtxVersion: "v1.18.0" }
          ])
        })
      )

      it.effect("says which parameter is wrong, and what would be right", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const wrong = {
            "/": ["node"],
            "/?node=": ["node"],
            "/?node=..%2F..%2Fetc": ["node"],
            "/?node=%zz": ["node"],
            "/?node=a%00b": ["node"],
            "/?node=a&node=b": ["node"],
            "/?node=n1&every=soon": ["every"],
            "/?node=n1&every=-1": ["every"],
            "/?node=n1&every=1e999": ["every"],
            "/?node=n1&boot=yes": ["boot"],
            [`/?node=n1&version=${"1".repeat(65)}`]: ["version"],
            "/?node=n1&version=1.18.0&version=1.20.1": ["version"]
          }
          for (const [path, fields] of Object.entries(wrong)) {
            const reply = yield* call(path, { headers: bearer(ADMIN_KEY) })
            assert.strictEqual(reply.status, 400, path)
            assert.strictEqual(reply.json()._tag, "InvalidRequest")
            assert.deepStrictEqual(fieldsOf(reply.json().issues), fields, path)
            assert.isNotEmpty(reply.json().issues[0].expected)
          }
        })
      )

      it.effect("503 and never a config when it can't be rendered", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const reply = yield* call("/?node=unrenderable", { headers: bearer(KEY) })
          assert.strictEqual(reply.status, 503)
          assert.strictEqual(reply.headers["retry-after"], "10")
          assert.strictEqual(reply.json()._tag, "Unavailable")
          assert.deepStrictEqual(fieldsOf(reply.json().issues), ["paths.cam.source"])
        }).pipe((body) => whileBroken("renderer", body))
      )

      it.effect("is delivered though the registry is down", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const reply = yield* call("/?node=n1", { headers: bearer(KEY) })
          assert.strictEqual(reply.status, 200)
        }).pipe((body) => whileBroken("registry", body))
      )
    })

    describe("credentials", () => {
      it.effect("401 with a challenge for none, an unknown one, and another scheme", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          for (const authorization of ["", "Bearer", "Bearer nope", "Digest x", "Basic !!!", `bearer${KEY}`]) {
            for (const path of ["/?node=n1", "/hooks?node=n1", "/nodes/n1/heartbeat", "/auth?node=n1", "/nodes"]) {
              const method = path.startsWith("/?") || path === "/nodes" ? "GET" : "POST"
              const reply = yield* call(path, { method, headers: authorization === "" ? {} : { authorization } })
              assert.strictEqual(reply.status, 401, `${path} ${authorization}`)
              assert.strictEqual(reply.json()._tag, "Unauthorized")
              assert.include(reply.headers["www-authenticate"], "Basic")
            }
          }
        })
      )

      it.effect("takes the node's token, the shared key and the admin key, as Bearer or as Basic's password", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          for (const secret of [yield* tokenOf("n1"), KEY, ADMIN_KEY]) {
            for (const headers of [bearer(secret), basic("", secret), basic("n1", secret)]) {
              assert.strictEqual((yield* call("/?node=n1", { headers })).status, 200)
            }
          }
        })
      )

      it.effect("403 for the token of another node, and says whose it is", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const token = yield* tokenOf("a")
          const named = yield* call("/?node=b", { headers: basic("a", token) })
          assert.strictEqual(named.status, 403)
          assert.include(named.json().message, "node a")
          // Once node a has called, its token is known for what it is.
          yield* call("/?node=a", { headers: bearer(token) })
          const known = yield* call("/nodes/b/heartbeat", {
            method: "POST",
            headers: { ...bearer(token), ...JSON_TYPE },
            body: "{}"
          })
          assert.strictEqual(known.status, 403)
          assert.include(known.json().message, "node a")
          assert.notInclude(known.text, token)
        })
      )

      it.effect("only /auth takes a token in the query", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const token = yield* tokenOf("n1")
          assert.strictEqual((yield* call(`/?node=n1&token=${token}`)).status, 401)
          assert.strictEqual((yield* call(`/hooks?node=n1&token=${token}`, { method: "POST" })).status, 401)
          assert.strictEqual((yield* call(`/nodes?token=${ADMIN_KEY}`)).status, 401)
        })
      )
    })

    describe("POST /hooks", () => {
      const post = (body: string | Uint8Array, headers: Readonly<Record<string, string>> = FORM_TYPE) =>
        Effect.flatMap(Door, ({ call }) =>
          call("/hooks?node=n1", { method: "POST", headers: { ...bearer(KEY), ...headers }, body })
        )

      it.effect("records a form as busybox sends it, with its query redacted", () =>
        Effect.gen(function* () {
          const reply = yield* post(
            "event=available&path=cam/1&type=rtmpConn&id=x1&query=user%3Du%26pass%3Dhunter2&extra=1&event=evil"
          )
          assert.strictEqual(reply.status, 204)
          assert.strictEqual(reply.text, "")
          // busybox wget waits for the end of the connection without it.
          assert.strictEqual(reply.headers["content-length"], "0")
          const record = yield* lastRecord
          assert.deepStrictEqual(record?.event, {
            event: "available",
            path: "cam/1",
            type: "rtmpConn",
            id: "x1",
            query: "user=***&pass=***"
          })
        })
      )

      it.effect("takes a raw segment path to the end of the body", () =>
        Effect.gen(function* () {
          const body =
            "event=record_segment_complete&path=cam&segment_duration=10.05&raw_segment_path=/r/a&b=%41+ü/2026.mp4"
          assert.strictEqual((yield* post(body)).status, 204)
          assert.deepStrictEqual((yield* lastRecord)?.event, {
            event: "record_segment_complete",
            path: "cam",
            segmentDuration: 10.05,
            segmentPath: "/r/a&b=%41+ü/2026.mp4"
          })
        })
      )

      it.effect("takes a list of hooks in its order, all or none of what is not right, and each delivery once", () =>
        Effect.gen(function* () {
          const hook = (n: number) => ({
            event: "init" as const,
            path: `p${n}`,
            occurredAt: "2026-01-31T12:00:00.000Z",
            delivery: `run-of-list.${n}`
          })
          const list = (hooks: ReadonlyArray<unknown>) => post(JSON.stringify(hooks), JSON_TYPE)
          assert.strictEqual((yield* list([hook(1), hook(2)])).status, 204)
          const { cursor = 0 } = (yield* lastRecord) ?? {}
          assert.strictEqual((yield* list([hook(1), hook(2), hook(3), { ...hook(4), event: "ready" }])).status, 400)
          assert.strictEqual((yield* list(Array.from({ length: 101 }, (_, n) => hook(n + 1)))).status, 400)
          assert.strictEqual((yield* post("[", JSON_TYPE)).status, 400)
          assert.strictEqual((yield* lastRecord)?.cursor, cursor)
          assert.strictEqual((yield* list([hook(1), hook(2), hook(3)])).status, 204)
          assert.strictEqual((yield* list([])).status, 400)
          const record = yield* lastRecord
          assert.strictEqual(record?.cursor, cursor + 1)
          assert.deepStrictEqual(record?.event, hook(3))
        })
      )

      it.effect("takes JSON", () =>
        Effect.gen(function* () {
          const body = JSON.stringify({
            event: "read",
            path: "cam",
            type: "hlsSession",
            id: "1",
            query: "t=1",
            more: 1
          })
          assert.strictEqual((yield* post(body, JSON_TYPE)).status, 204)
          assert.strictEqual((yield* post(body, { "content-type": "Application/JSON; charset=utf-8" })).status, 204)
          assert.deepStrictEqual((yield* lastRecord)?.event, {
            event: "read",
            path: "cam",
            type: "hlsSession",
            id: "1",
            query: "t=***"
          })
        })
      )

      it.effect("says what is wrong, by field", () =>
        Effect.gen(function* () {
          const before = (yield* records).length
          const wrong: ReadonlyArray<readonly [string | Uint8Array, Readonly<Record<string, string>>, string]> = [
            ["", FORM_TYPE, "event"],
            ["event=nonsense&path=a", FORM_TYPE, "event"],
            ["event=available&type=a&id=b", FORM_TYPE, "path"],
            ["event=init&path=", FORM_TYPE, "path"],
            ["event=init&path=%zz", FORM_TYPE, "path"],
            ["event=init&path=%ff", FORM_TYPE, "path"],
            ["event=init&path=a%00b", FORM_TYPE, "path"],
            ["event=connect&type=rtspConn", FORM_TYPE, "id"],
            [
              "event=record_segment_complete&path=a&segment_duration=1s&raw_segment_path=/x",
              FORM_TYPE,
              "segment_duration"
            ],
            [
              "event=record_segment_complete&path=a&segment_duration=1e999&raw_segment_path=/x",
              FORM_TYPE,
              "segment_duration"
            ],
            ["event=record_segment_create&path=a&raw_segment_path=", FORM_TYPE, "segment_path"],
            ["{}", JSON_TYPE, "event"],
            ["[]", JSON_TYPE, ""],
            ["null", JSON_TYPE, ""],
            ["{", JSON_TYPE, ""],
            [`{"event":"init","path":"a\\u0000b"}`, JSON_TYPE, "path"],
            ["[".repeat(100_000), JSON_TYPE, ""],
            ["[".repeat(100_000) + "]".repeat(100_000), JSON_TYPE, ""],
            [new Uint8Array([0x65, 0x3d, 0xff, 0xfe]), FORM_TYPE, ""]
          ]
          for (const [body, headers, field] of wrong) {
            const reply = yield* post(body, headers)
            const shown = typeof body === "string" ? body.slice(0, 60) : "bytes"
            assert.strictEqual(reply.status, 400, shown)
            assert.strictEqual(reply.json()._tag, "InvalidRequest")
            assert.include(fieldsOf(reply.json().issues), field, shown)
          }
          assert.strictEqual((yield* records).length, before)
        })
      )

      it.effect("415 for other types and for compressed bodies", () =>
        Effect.gen(function* () {
          for (const headers of [
            { "content-type": "text/plain" },
            { "content-type": "multipart/form-data; boundary=x" },
            { ...FORM_TYPE, "content-encoding": "gzip" }
          ]) {
            const reply = yield* post("event=init&path=a", headers)
            assert.strictEqual(reply.status, 415)
            assert.deepStrictEqual(reply.json().supported, ["application/x-www-form-urlencoded", "application/json"])
          }
        })
      )

      it.effect("takes a body of 1 MiB and refuses one byte more", () =>
        Effect.gen(function* () {
          const start = "event=init&path=a&junk="
          const full = start + "x".repeat(1024 * 1024 - start.length)
          assert.strictEqual((yield* post(full)).status, 204)
          const reply = yield* post(`${full}x`)
          assert.strictEqual(reply.status, 413)
          assert.strictEqual(reply.json()._tag, "PayloadTooLarge")
          assert.strictEqual(reply.json().limit, 1024 * 1024)
        })
      )

      it.effect("503 when it can't be stored, and not ready for a while", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const reply = yield* post("event=init&path=a")
          assert.strictEqual(reply.status, 503)
          assert.strictEqual(reply.json()._tag, "Unavailable")
          assert.notInclude(reply.text, "disk")
          assert.strictEqual((yield* call("/readyz")).status, 503)
        }).pipe((body) => whileBroken("bus", body))
      )
    })

    describe("POST /auth", () => {
      const ask = (over: Readonly<Record<string, unknown>>, headers: Readonly<Record<string, string>> = JSON_TYPE) =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const token = yield* tokenOf("n1")
          return yield* call(`/auth?node=n1&token=${token}`, {
            method: "POST",
            headers,
            body: JSON.stringify(authBody(over))
          })
        })

      it.effect("204 allows, and the policy sees the node, no repeated password as token, and secrets redacted", () =>
        Effect.gen(function* () {
          const probe = yield* Probe
          const reply = yield* ask({ user: "alice", password: "wonder", token: "wonder", query: "a=b" })
          assert.strictEqual(reply.status, 204)
          assert.strictEqual(reply.text, "")
          const asked = probe.asked.at(-1)
          assert.strictEqual(asked?.node, node("n1"))
          assert.strictEqual(asked && Redacted.value(asked.password), "wonder")
          assert.strictEqual(asked && Redacted.value(asked.token), "")
          assert.strictEqual(asked && Redacted.value(asked.query), "a=b")
        })
      )

      it.effect("a denial is 401 where the client gave nothing and can be asked, else 403 with the reason", () =>
        Effect.gen(function* () {
          const cases: ReadonlyArray<readonly [Readonly<Record<string, unknown>>, number]> = [
            [{}, 401],
            [{ protocol: "webrtc" }, 401],
            [{ protocol: "", action: "api", path: "", id: null }, 401],
            [{ protocol: "rtmp" }, 403],
            [{ protocol: "srt" }, 403],
            [{ protocol: "moq" }, 403],
            [{ user: "bob" }, 403],
            [{ password: "x", token: "x" }, 403],
            [{ token: "jwt" }, 403],
            [{ path: "ask", user: "bob", password: "x" }, 401]
          ]
          for (const [over, status] of cases) {
            const reply = yield* ask(over)
            assert.strictEqual(reply.status, status, JSON.stringify(over))
            assert.strictEqual(reply.json()._tag, status === 401 ? "Unauthorized" : "Forbidden")
            assert.match(reply.json().message, /only alice may|who are you/)
            assert.isUndefined(reply.headers["location"])
          }
        })
      )

      it.effect("takes the token as Bearer or Basic too", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const token = yield* tokenOf("n1")
          const body = JSON.stringify(authBody({ user: "alice", password: "wonder" }))
          for (const headers of [bearer(token), basic("n1", token), bearer(KEY)]) {
            const reply = yield* call("/auth?node=n1", { method: "POST", headers: { ...headers, ...JSON_TYPE }, body })
            assert.strictEqual(reply.status, 204)
          }
        })
      )

      it.effect("a wrong token is 401 before the body is looked at", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const other = yield* tokenOf("n2")
          for (const token of ["", "x", other, `${other}x`, "%zz", "a&token=b"]) {
            const reply = yield* call(`/auth?node=n1&token=${token}`, { method: "POST", headers: JSON_TYPE, body: "{" })
            assert.strictEqual(reply.status, 401, token)
          }
        })
      )

      it.effect("400 names the fields and shows no value", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const token = yield* tokenOf("n1")
          const post = (body: string) =>
            call(`/auth?node=n1&token=${token}`, { method: "POST", headers: JSON_TYPE, body })
          for (const [over, field] of [
            [{ password: ["hunter2"] }, "password"],
            [{ protocol: "hunter2" }, "protocol"],
            [{ action: "playback.request" }, "action"],
            [{ id: 5 }, "id"],
            [{ ip: undefined }, "ip"]
          ] as const) {
            const reply = yield* post(JSON.stringify(authBody(over)))
            assert.strictEqual(reply.status, 400)
            assert.deepStrictEqual(fieldsOf(reply.json().issues), [field])
            assert.notInclude(reply.text, "hunter2")
          }
          for (const body of [
            "",
            "{",
            "nul",
            '"text"',
            "[".repeat(200_000),
            `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`
          ]) {
            const reply = yield* post(body)
            assert.strictEqual(reply.status, 400, body.slice(0, 20))
          }
        })
      )

      it.effect("tells all that is wrong at once", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const token = yield* tokenOf("n1")
          const reply = yield* call(`/auth?node=n1&token=${token}`, { method: "POST", headers: JSON_TYPE, body: "{}" })
          assert.sameMembers(fieldsOf(reply.json().issues), [
            "ip",
            "user",
            "password",
            "action",
            "path",
            "protocol",
            "id",
            "query"
          ])
        })
      )

      it.effect("415 for what is not JSON", () =>
        Effect.gen(function* () {
          assert.strictEqual((yield* ask({}, FORM_TYPE)).status, 415)
        })
      )

      it.effect("decides though the registry is down", () =>
        Effect.gen(function* () {
          const reply = yield* ask({ user: "alice", password: "wonder" })
          assert.strictEqual(reply.status, 204)
        }).pipe((body) => whileBroken("registry", body))
      )

      it.effect("a bug is 500 with an id and nothing else", () =>
        Effect.gen(function* () {
          const reply = yield* ask({})
          assert.strictEqual(reply.status, 500)
          assert.strictEqual(reply.json()._tag, "InternalError")
          assert.match(reply.json().id, /^[0-9a-f-]{36}$/)
          assert.notInclude(reply.text, "s3cret")
        }).pipe((body) => whileBroken("policy", body))
      )
    })

    describe("POST /nodes/:id/heartbeat", () => {
      const beat = (body: unknown, id = "beating") =>
        Effect.flatMap(Door, ({ call }) =>
          call(`/nodes/${id}/heartbeat`, {
            method: "POST",
            headers: { ...bearer(KEY), ...JSON_TYPE },
            body: typeof body === "string" ? body : JSON.stringify(body)
          })
        )

      it.effect("notes the report, corrects the fleet's state and answers with the config's hash", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const config = yield* call("/?node=beating", { headers: bearer(KEY) })
          const reply = yield* beat({
            instance: "i1",
            status: "ok",
            startedAt: "2026-01-31T12:00:00Z",
            paths: [{ name: "cam", available: true, online: true, source: null, readers: [] }]
          })
          assert.strictEqual(reply.status, 200)
          assert.deepStrictEqual(reply.json(), {
            configHash: (config.headers["etag"] ?? "").slice(1, -1),
            commands: []
          })
          const state = yield* call("/state", { headers: bearer(ADMIN_KEY) })
          assert.deepInclude(
            state.json().paths.map((path: { node: string; path: string }) => [path.node, path.path]),
            ["beating", "cam"]
          )
        })
      )

      it.effect("has no hash to give when the config can't be rendered", () =>
        Effect.gen(function* () {
          const reply = yield* beat({ instance: "i1", status: "failed", error: "bad" }, "unrenderable")
          assert.deepStrictEqual(reply.json(), { configHash: null, commands: [] })
        }).pipe((body) => whileBroken("renderer", body))
      )

      it.effect("says what is wrong", () =>
        Effect.gen(function* () {
          for (const [body, field] of [
            [{}, "instance"],
            [{ instance: "i", status: "good" }, "status"],
            [{ instance: "i", status: "ok", paths: [{ name: 1 }] }, "paths.0.name"],
            [{ instance: "i", status: "ok", startedAt: "noon" }, "startedAt"],
            [{ instance: "i", status: "ok", appliedHash: "abc" }, "appliedHash"],
            ["not json", ""]
          ] as const) {
            const reply = yield* beat(body)
            assert.strictEqual(reply.status, 400, JSON.stringify(body))
            assert.include(fieldsOf(reply.json().issues), field)
          }
          assert.strictEqual((yield* beat({}, "-bad-")).status, 400)
        })
      )

      it.effect("503 when it can't be noted", () =>
        Effect.gen(function* () {
          assert.strictEqual((yield* beat({ instance: "i", status: "ok" })).status, 503)
        }).pipe((body) => whileBroken("registry", body))
      )
    })

    describe("routes", () => {
      it.effect("404 for what does not exist, 405 with Allow for another method", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          for (const path of ["/nope", "/nodes/n1/", "/nodes/a/b", "/hooks/", "//", "/auth%2f", "/%zz", "/nodes/%zz"]) {
            const reply = yield* call(path, { headers: bearer(ADMIN_KEY) })
            assert.strictEqual(reply.status, 404, path)
            assert.strictEqual(reply.json()._tag, "NotFound")
          }
          for (const [method, path, allow] of [
            ["POST", "/", "GET, HEAD"],
            ["GET", "/auth", "POST"],
            ["PUT", "/hooks?node=n1", "POST"],
            ["DELETE", "/nodes", "GET, HEAD"],
            ["POST", "/nodes/n1", "DELETE, GET, HEAD"],
            ["GET", "/nodes/n1/heartbeat", "POST"],
            ["POST", "/docs", "GET, HEAD"],
            ["PATCH", "/state", "GET, HEAD"]
          ] as const) {
            const reply = yield* call(path, { method })
            assert.strictEqual(reply.status, 405, `${method} ${path}`)
            assert.strictEqual(reply.headers["allow"], allow)
            assert.strictEqual(reply.json()._tag, "MethodNotAllowed")
          }
        })
      )
    })

    describe("administration", () => {
      it.effect("lists, shows and forgets nodes", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          yield* call("/?node=shown", { headers: bearer(KEY) })
          const list = yield* call("/nodes", { headers: bearer(ADMIN_KEY) })
          assert.include(
            list.json().map((each: { id: string }) => each.id),
            "shown"
          )
          const one = yield* call("/nodes/shown", { headers: basic("admin", ADMIN_KEY) })
          assert.strictEqual(one.json().lastSeenBy, "config")
          assert.match(one.json().lastSeen, /^\d{4}-.*Z$/)
          const gone = yield* call("/nodes/shown", { method: "DELETE", headers: bearer(ADMIN_KEY) })
          assert.strictEqual(gone.status, 204)
          for (const method of ["GET", "DELETE"]) {
            const reply = yield* call("/nodes/shown", { method, headers: bearer(ADMIN_KEY) })
            assert.strictEqual(reply.status, 404)
            assert.strictEqual(reply.json()._tag, "NotFound")
          }
          // Its very next call brings it back, though calls of one kind in a burst count once.
          const hook = { method: "POST", headers: { ...bearer(KEY), ...FORM_TYPE }, body: "event=init&path=a" }
          const again = () => call("/nodes/burst", { headers: bearer(ADMIN_KEY) })
          const probe = yield* Probe
          yield* call("/hooks?node=burst", hook)
          yield* call("/hooks?node=burst", hook)
          assert.strictEqual(probe.observed.filter(([id]) => id === "burst").length, 1)
          yield* call("/nodes/burst", { method: "DELETE", headers: bearer(ADMIN_KEY) })
          assert.strictEqual((yield* again()).status, 404)
          yield* call("/hooks?node=burst", hook)
          assert.strictEqual((yield* again()).status, 200)
          const bad = yield* call("/nodes/-x-", { headers: bearer(ADMIN_KEY) })
          assert.strictEqual(bad.status, 400)
          assert.deepStrictEqual(fieldsOf(bad.json().issues), ["id"])
        })
      )

      it.effect("is for the admin key alone, and says so", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const token = yield* tokenOf("n1")
          for (const path of ["/nodes", "/nodes/n1", "/state", "/events"]) {
            const fleet = yield* call(path, { headers: bearer(KEY) })
            assert.strictEqual(fleet.status, 403, path)
            assert.include(fleet.json().message, "admin key")
          }
          const own = yield* call("/nodes/n1", { headers: bearer(token) })
          assert.strictEqual(own.status, 403)
          assert.include(own.json().message, "node n1")
        })
      )

      it.effect("503 without the cause when the registry can't be read", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          const reply = yield* call("/nodes", { headers: bearer(ADMIN_KEY) })
          assert.strictEqual(reply.status, 503)
          assert.strictEqual(reply.json()._tag, "Unavailable")
          assert.notInclude(reply.text, "disk")
        }).pipe((body) => whileBroken("registry", body))
      )

      it.effect("health needs no credential; ready needs a config", () =>
        Effect.gen(function* () {
          const { call } = yield* Door
          assert.deepStrictEqual((yield* call("/healthz")).json(), { status: "ok" })
          const reply = yield* whileBroken("renderer", call("/readyz"))
          assert.strictEqual(reply.status, 503)
          assert.strictEqual((yield* whileBroken("renderer", call("/healthz"))).status, 200)
        })
      )
    })
  })
}
