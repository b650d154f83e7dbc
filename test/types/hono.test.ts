/** What the types of ./hono promise. The compiler is the judge; at run time there is nothing left to see. */
import { regex } from "arkregex"
import { Hono } from "hono"
import { describe, expectTypeOf, it } from "vitest"
import {
  type AuthActor,
  type AuthPayload,
  type Clip,
  type ClipJob,
  type FleetContext,
  type HookArguments,
  type HookPayload,
  handler,
  type Manager,
  manager,
  type NodeRecord,
  type PathNameOf,
  path,
  type Snapshot,
  memory as state,
  type Timeline
} from "../../src/hono.js"
import type { MediaMTXConfig } from "../../src/index.js"
import { memory, s3 } from "../../src/storage.js"

/** Checked, never run. */
const compiled = (_: () => unknown) => undefined
const base = "https://example.test"
const key = "key"

type Names = "cam" | "yard/door" | `dynamic_${string}` | "plain"
const config = {
  paths: {
    cam: path({}),
    door: path("yard/door", {}),
    dynamic: path(regex("^dynamic_(.*)$"), {}),
    plain: { record: true }
  }
}

describe("names of paths", () => {
  it("flow from the config into auth's payload", () => {
    compiled(() =>
      manager({
        base,
        key,
        config,
        auth: ({ action, actor, payload }) => {
          expectTypeOf(actor).toEqualTypeOf<AuthActor<string>>()
          expectTypeOf(payload.path).toEqualTypeOf<Names | "">()
          if (action === "publish" || action === "read" || action === "playback" || action === "playback.request") {
            expectTypeOf(payload.path).toEqualTypeOf<Names>()
            // @ts-expect-error the key is not the name of the path
            if (payload.path === "door") return false
            // @ts-expect-error no such path
            if (payload.path === "other") return false
            if (payload.path === "dynamic_7") return false
            return payload.path === "cam" || payload.path === "yard/door"
          }
          expectTypeOf(action).toEqualTypeOf<"api" | "metrics" | "pprof" | "playback.worker">()
          expectTypeOf(payload.path).toEqualTypeOf<"">()
          // @ts-expect-error no such action
          if (action === "fly") return true
          return payload.query["token"] === "x"
        }
      })
    )
  })

  it("are there for a config written in place, and for overlays", () => {
    compiled(() =>
      manager({
        base,
        key,
        config: { webrtc: true, paths: { fixed: path({}), static: path("static_path", { recordFormat: "fmp4" }) } },
        nodes: { north: { paths: { extra: path("north/extra", {}) } }, south: { readTimeout: "5s" } },
        auth: async ({ action, payload }) => {
          if (action !== "read") return false
          expectTypeOf(payload.path).toEqualTypeOf<"fixed" | "static_path" | "north/extra">()
          return true
        }
      })
    )
  })

  it("are any string where a path matches more than can be told", () => {
    compiled(() =>
      manager({
        base,
        key,
        config: { paths: { all_others: {}, cam: path({}) } },
        auth: ({ payload }) => {
          expectTypeOf(payload.path).toEqualTypeOf<string>()
          return true
        }
      })
    )
    compiled(() =>
      manager({
        base,
        key,
        config: { webrtc: true },
        auth: ({ payload }) => {
          expectTypeOf(payload.path).toEqualTypeOf<string>()
          return true
        }
      })
    )
    const open: MediaMTXConfig = { paths: { cam: {} } }
    compiled(() =>
      handler(open, {
        auth: ({ payload }) => {
          expectTypeOf(payload.path).toEqualTypeOf<string>()
          return true
        }
      })
    )
  })

  it("flow through `satisfies MediaMTXConfig` into handler", () => {
    const plain = { webrtc: true, paths: { path1: {}, path2: null } } satisfies MediaMTXConfig
    compiled(() =>
      handler(plain, {
        auth: ({ action, actor, payload }) => {
          expectTypeOf(actor.node).toEqualTypeOf<string | undefined>()
          if (action === "api") return false
          if (action === "read") expectTypeOf(payload.path).toEqualTypeOf<"path1" | "path2">()
          return true
        },
        on: (_scope, event, payload) => {
          if (event === "init") expectTypeOf(payload.path).toEqualTypeOf<"path1" | "path2">()
        }
      })
    )
    // @ts-expect-error a field that MediaMTX has not
    void ({ paths: { cam: { recrod: true } } } satisfies MediaMTXConfig)
    // @ts-expect-error a value that MediaMTX does not take
    void ({ logLevel: "loud" } satisfies MediaMTXConfig)
  })

  it("come out of regular expressions", () => {
    const paths = { a: path(regex("^cam_(\\d+)$"), {}), b: path(regex("^(left|right)$"), {}) }
    expectTypeOf<PathNameOf<typeof paths>>().toEqualTypeOf<`cam_${number}` | "left" | "right">()
    const take = (name: PathNameOf<typeof paths>) => name
    take("left")
    // @ts-expect-error matched by neither
    compiled(() => take("up"))
  })

  it("flow into the store's context", () => {
    compiled(() => {
      const app = manager({
        base,
        key,
        config,
        on: (store) => {
          store.subscribe((snapshot) => {
            expectTypeOf(snapshot).toEqualTypeOf<Snapshot<FleetContext<Names>>>()
            expectTypeOf(snapshot.context.nodes).toEqualTypeOf<ReadonlyArray<NodeRecord>>()
          })
          const nodes = store.select(
            (context) => context.nodes,
            (previous, next) => {
              expectTypeOf(previous).toEqualTypeOf<ReadonlyArray<NodeRecord>>()
              return previous.length !== next.length
            }
          )
          nodes.subscribe((value) => {
            expectTypeOf(value).toEqualTypeOf<ReadonlyArray<NodeRecord>>()
          })
          // @ts-expect-error there is no such thing in the state
          store.select((context) => context.cows)
          const nodesOf = (context: FleetContext) => context.nodes
          // @ts-expect-error `changed` answers whether it changed
          store.select(nodesOf, (previous) => previous.length)
        }
      })
      expectTypeOf(app).toEqualTypeOf<Manager<Names>>()
      const available = app.store.select((context) => context.paths.some((each) => each.path === "cam"))
      expectTypeOf(available.get()).toEqualTypeOf<boolean>()
      // @ts-expect-error no such path
      app.store.select((context) => context.paths.some((each) => each.path === "camm"))
      new Hono().route("/mtx", app)
    })
  })
})

describe("playback", () => {
  const window = { start: new Date(0), duration: 10_000 }

  it("knows the names of the config, and what a pattern matches", () => {
    compiled(async () => {
      const app = manager({ base, key, config, storage: memory() })
      expectTypeOf(app.playback.get).parameter(0).toEqualTypeOf<Names>()
      app.playback.get("cam", window)
      app.playback.get("yard/door", { ...window, start: "2026-01-31T12:00:00Z", format: "fmp4" })
      app.playback.get("dynamic_7", { ...window, start: 0, timeout: "1 minute", signal: AbortSignal.timeout(1) })
      app.playback.request("plain", { ...window, priority: 1 })
      app.playback.spans("cam", { from: 0, to: new Date() })
      // @ts-expect-error the key is not the name of the path
      app.playback.get("door", window)
      // @ts-expect-error no such path
      app.playback.get("other", window)
      // @ts-expect-error no such path
      app.playback.request("other", window)
      // @ts-expect-error no such path
      app.playback.spans("other")
      // @ts-expect-error the pattern does not match it
      app.playback.get("dynamic", window)
      // @ts-expect-error a clip has a length
      app.playback.get("cam", { start: 0 })
      // @ts-expect-error MediaMTX makes no such file
      app.playback.get("cam", { ...window, format: "avi" })
    })
  })

  it("gives what was promised, as JSON has it", () => {
    compiled(async () => {
      const app = manager({ base, key, config, storage: memory() })
      const clip = await app.playback.get("cam", window)
      expectTypeOf(clip).toEqualTypeOf<Clip>()
      expectTypeOf<Pick<Clip, "id" | "start" | "end" | "bucket" | "filename" | "mime" | "url">>().toEqualTypeOf<
        Readonly<Record<"id" | "start" | "end" | "bucket" | "filename" | "mime" | "url", string>>
      >()
      expectTypeOf<Pick<Clip, "duration" | "size">>().toEqualTypeOf<Readonly<Record<"duration" | "size", number>>>()
      const job = await app.playback.request("cam", window)
      expectTypeOf(job).toEqualTypeOf<ClipJob<Names>>()
      expectTypeOf(await app.playback.status(job.id)).toEqualTypeOf<ClipJob<Names> | undefined>()
      expectTypeOf(await app.playback.spans("cam")).toEqualTypeOf<Timeline>()
      expectTypeOf<Timeline["spans"][number]["start"]>().toEqualTypeOf<string>()
      app.playback.subscribe((changed) => {
        expectTypeOf(changed).toEqualTypeOf<ClipJob<Names>>()
        // @ts-expect-error no such path
        return changed.path === "other"
      })
    })
  })

  it("takes any name where the config has none that could be known, and a manager of names is one of any", () => {
    compiled(() => {
      manager({ base, key, config: { paths: { all_others: {} } } }).playback.get("anything", window)
      const named = manager({ base, key, config })
      expectTypeOf(named).toExtend<Manager>()
      expectTypeOf<Manager>().not.toExtend<typeof named>()
    })
  })

  it("takes a storage, or a function that makes one of the environment", () => {
    compiled(() =>
      manager({ base, key, config, storage: (env: { readonly BUCKET: string }) => memory({ bucket: env.BUCKET }) })
    )
    compiled(() =>
      manager({
        base,
        key,
        config,
        storage: s3({
          endpoint: "https://s3.test",
          bucket: "b",
          credentials: { accessKeyId: "a", secretAccessKey: "s" }
        })
      })
    )
    // @ts-expect-error a state is no storage
    compiled(() => manager({ base, key, config, storage: state() }))
  })
})

describe("manager's options", () => {
  it("check every field of the config", () => {
    // @ts-expect-error a field that MediaMTX has not
    compiled(() => manager({ base, key, config: { webrtcc: true } }))
    // @ts-expect-error a field that a path has not, beside one that it has
    compiled(() => manager({ base, key, config: { paths: { cam: { record: true, recrod: true } } } }))
    // @ts-expect-error a value that MediaMTX does not take
    compiled(() => manager({ base, key, config: { paths: { cam: { recordFormat: "avi" } } } }))
    // @ts-expect-error a field that a path has not
    compiled(() => manager({ base, key, config: { paths: { cam: path({ recrod: true }) } } }))
    // @ts-expect-error a name needs its config
    compiled(() => path("name"))
    compiled(() => manager({ base, key, config: { paths: { cam: { recordFormat: "fmp4" }, door: null } } }))
  })

  it("take answers that are answers only", () => {
    const question = { base, key, config: { paths: { cam: {} } } }
    // @ts-expect-error not a boolean
    compiled(() => manager({ ...question, auth: () => "yes" }))
    // @ts-expect-error forgot to answer
    compiled(() => manager({ ...question, auth: async () => {} }))
    // @ts-expect-error `log` is no option
    compiled(() => manager({ ...question, log: true }))
    // @ts-expect-error no key
    compiled(() => manager({ base, config: question.config }))
  })

  it("pass a question on to functions of one's own", () => {
    const permitted = async (_user: string, _action: string, _payload: AuthPayload) => true
    compiled(() =>
      manager({
        base,
        key,
        config,
        auth: async ({ action, actor, payload }) => permitted(actor.user, action, payload)
      })
    )
  })
})

describe("on", () => {
  it("knows by the event what the payload is, and by the scope which events there are", () => {
    compiled(() =>
      handler(config, {
        on: (scope, event, payload) => {
          expectTypeOf(payload.node).toEqualTypeOf<string | undefined>()
          if (scope === "global") {
            expectTypeOf(event).toEqualTypeOf<"connect" | "disconnect">()
            expectTypeOf(payload.id).toEqualTypeOf<string>()
            // @ts-expect-error connections know no path
            payload.path
            return
          }
          expectTypeOf(payload.path).toEqualTypeOf<Names>()
          switch (event) {
            case "init":
              // @ts-expect-error no id comes with it
              return payload.id
            case "read":
            case "unread":
              expectTypeOf(payload.query).toEqualTypeOf<Readonly<Record<string, string>>>()
              return payload.id
            case "record_segment_complete":
              expectTypeOf(payload.segmentDuration).toEqualTypeOf<number>()
              return payload.segmentPath
            case "record_segment_create":
              // @ts-expect-error it has only begun
              return payload.segmentDuration
            // @ts-expect-error no such event
            case "exploded":
              return
          }
        }
      })
    )
    expectTypeOf<HookPayload<"demand", "a">["path"]>().toEqualTypeOf<"a">()
    expectTypeOf<Extract<HookArguments, readonly ["path", "online", unknown]>[2]>().toEqualTypeOf<
      HookPayload<"online">
    >()
  })
})
