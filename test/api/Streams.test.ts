/** `/streams`, `/groups` and `/discovery`, asked of a whole manager. */
import { manager } from "@livecams/mtx-manager/hono"
import { afterEach, describe, expect, it } from "vitest"

const KEY = "key-of-the-test"
const admin = { authorization: `Bearer ${KEY}` }

type Options = Parameters<typeof manager>[0]

const open: Array<{ dispose: () => Promise<void> }> = []
afterEach(async () => {
  for (const app of open.splice(0)) await app.dispose()
})

const start = (options: Partial<Options>) => {
  const app = manager({
    base: "https://manager.example",
    key: KEY,
    config: {
      metrics: true,
      webrtcEncryption: true,
      paths: { cam: {}, "cams/pier": {}, lazy: { source: "rtsp://camera.example/1", sourceOnDemand: true } }
    },
    auth: ({ action, actor }) => action === "read" && (actor.user === "" || actor.password === "right"),
    addresses: { "*": { address: "{node}.internal", public: "{node}.example" } },
    ...options
  } as Options)
  open.push(app)
  const get = (path: string, headers: Record<string, string> = {}) =>
    app.request(path, { headers, redirect: "manual" }) as Promise<Response>
  return {
    get,
    /** It polls for its config, and promises to go on. */
    poll: async (...nodes: ReadonlyArray<string>) => {
      for (const node of nodes) expect((await get(`/?node=${node}&every=10`, admin)).status).toBe(200)
    },
    hook: async (node: string, fields: Record<string, string>) => {
      const response = await app.request(`/hooks?node=${node}`, {
        method: "POST",
        headers: { ...admin, "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams(fields).toString()
      })
      expect(response.status).toBe(204)
    },
    /** The stream is there, with readers. */
    ready: async function (node: string, path: string, readers = 0) {
      await this.hook(node, { event: "available", path, type: "rtspSession", id: `${node}-${path}`, query: "" })
      for (let each = 0; each < readers; each++) {
        await this.hook(node, { event: "read", path, type: "rtspSession", id: `${node}-${path}-${each}`, query: "" })
      }
    },
    where: async (path: string, headers?: Record<string, string>) => {
      const response = await get(path, headers)
      expect(response.headers.get("cache-control")).toBe("no-store")
      return response.status === 302 ? response.headers.get("location") : response.status
    }
  }
}

const settled = async (app: { where: (path: string) => Promise<unknown> }, path: string) => {
  await expect.poll(() => app.where(path)).not.toBe(503)
}

describe("GET /streams/PATH", () => {
  it("sends a viewer to the node with the fewest readers, in the words of each protocol", async () => {
    const app = start({})
    await app.poll("a", "b")
    await app.ready("a", "cams/pier", 2)
    await app.ready("b", "cams/pier", 1)
    await settled(app, "/streams/cams/pier")
    expect(await app.where("/streams/cams/pier")).toBe("http://b.example:8888/cams/pier/index.m3u8")
    expect(await app.where("/streams/cams/pier?protocol=webrtc")).toBe("https://b.example:8889/cams/pier/")
    expect(await app.where("/streams/cams/pier?protocol=rtsp")).toBe("rtsp://b.example:8554/cams/pier")
    expect(await app.where("/streams/cams/pier?protocol=rtmp")).toBe("rtmp://b.example:1935/cams/pier")
    expect(await app.where("/streams/cams/pier?protocol=srt&token=a:b")).toBe(
      "srt://b.example:8890?streamid=read:cams/pier:token%3Da%253Ab"
    )
  })

  it("keeps the viewer's own query as it came, and nothing of ours", async () => {
    const app = start({})
    await app.poll("a")
    await app.ready("a", "cam")
    await settled(app, "/streams/cam")
    expect(await app.where("/streams/cam?token=s%2Fx&protocol=hls&near=eu&x=1&format=redirect")).toBe(
      "http://a.example:8888/cam/index.m3u8?token=s%2Fx&x=1"
    )
  })

  it("lists all of them as JSON when that is asked for, nearest first where readers are equal", async () => {
    const app = start({})
    await app.poll("eu", "us", "as")
    for (const node of ["eu", "us", "as"]) await app.ready(node, "cam")
    await settled(app, "/streams/cam")
    const response = await app.get("/streams/cam?near=us,eu", { accept: "application/json" })
    expect(response.status).toBe(200)
    expect(await response.json()).toStrictEqual({
      path: "cam",
      protocol: "hls",
      streams: ["us", "eu", "as"].map((node) => ({
        node,
        url: `http://${node}.example:8888/cam/index.m3u8`,
        state: "ready",
        readers: 0
      }))
    })
    expect(await app.where("/streams/cam?near=node=as")).toBe("http://as.example:8888/cam/index.m3u8")
    expect((await app.get("/streams/cam?format=json&near=eu")).headers.get("content-type")).toBe("application/json")
  })

  it("may put nearness first, and take it from a header", async () => {
    const app = start({ locator: { prefer: "near", nearHeader: "CF-IPCountry" } })
    await app.poll("eu", "us")
    await app.ready("eu", "cam", 3)
    await app.ready("us", "cam")
    await settled(app, "/streams/cam")
    expect(await app.where("/streams/cam", { "cf-ipcountry": "EU" })).toContain("//eu.example")
    expect(await app.where("/streams/cam?near=us", { "cf-ipcountry": "EU" })).toContain("//us.example")
    expect(await app.where("/streams/cam")).toContain("//us.example")
  })

  it("sends to a node that would start it, and says what there is not", async () => {
    const app = start({})
    await app.poll("a")
    expect(await app.where("/streams/lazy")).toBe("http://a.example:8888/lazy/index.m3u8")
    const missing = await app.get("/streams/nothing")
    expect(missing.status).toBe(404)
    expect(await missing.json()).toMatchObject({ _tag: "NotFound", message: "there is no such stream" })
    const late = await app.get("/streams/cam")
    expect(late.status).toBe(503)
    expect(late.headers.get("retry-after")).toBe("5")
    expect((await app.get("/streams/..%2Fx")).status).toBe(400)
    const wrong = await app.get("/streams/cam?protocol=ftp")
    expect(wrong.status).toBe(400)
    expect(await wrong.json()).toMatchObject({ issues: [{ field: "protocol" }] })
  })

  it("says so when a protocol is off, or nobody said where the nodes are", async () => {
    const app = start({ addresses: { a: { urls: { rtsp: "rtsp://edge.example" } } } })
    await app.poll("a")
    expect(await app.where("/streams/lazy?protocol=rtsp")).toBe("rtsp://edge.example/lazy")
    const none = await app.get("/streams/lazy")
    expect(none.status).toBe(404)
    expect(await none.json()).toMatchObject({ message: expect.stringContaining("no node offers it by hls") })
  })

  it("asks the policy about the viewer, and does not tell others whether there is a stream", async () => {
    const asked: Array<unknown> = []
    const app = start({
      auth: ({ action, actor, payload }) => {
        asked.push({ action, user: actor.user, token: actor.token, node: actor.node, ...payload })
        return actor.password === "right" || actor.token === "right"
      }
    })
    await app.poll("a")
    const basic = (password: string) => ({ authorization: `Basic ${btoa(`viewer:${password}`)}` })
    expect((await app.get("/streams/lazy")).status).toBe(401)
    expect((await app.get("/streams/lazy")).headers.get("www-authenticate")).toContain("Basic")
    expect((await app.get("/streams/nothing")).status).toBe(401)
    expect((await app.get("/streams/lazy", basic("wrong"))).status).toBe(403)
    expect((await app.get("/streams/nothing", basic("wrong"))).status).toBe(403)
    expect((await app.get("/streams/nothing", basic("right"))).status).toBe(404)
    expect((await app.get("/streams/lazy", basic("right"))).status).toBe(302)
    expect((await app.get("/streams/lazy?token=right")).status).toBe(302)
    expect((await app.get("/streams/lazy", { authorization: "Bearer right" })).status).toBe(302)
    expect(asked.at(-1)).toMatchObject({ action: "read", path: "lazy", protocol: "hls", token: "right" })
  })

  it("takes the admin key, or nothing at all, where it is set so", async () => {
    for (const app of [start({ locator: { access: "key" } }), start({ auth: undefined } as never)]) {
      await app.poll("a")
      expect((await app.get("/streams/lazy")).status).toBe(401)
      expect((await app.get("/streams/lazy", admin)).status).toBe(302)
    }
    const app = start({ locator: { access: "open" }, auth: () => false })
    await app.poll("a")
    expect((await app.get("/streams/lazy")).status).toBe(302)
  })

  it("sends viewers to edges, and to their origin only when none is left", async () => {
    const app = start({ groups: [{ name: "world", origins: ["origin"], edges: "node=edge-*" }] })
    await app.poll("origin", "edge-1", "edge-2")
    await app.ready("origin", "cam")
    await settled(app, "/streams/cam")
    const json = await app.get("/streams/cam?format=json")
    const { streams } = (await json.json()) as { streams: ReadonlyArray<{ node: string; state: string }> }
    expect(streams.map(({ node, state }) => `${node} ${state}`).sort()).toStrictEqual([
      "edge-1 onDemand",
      "edge-2 onDemand",
      "origin ready"
    ])
    expect(streams.at(-1)?.node).toBe("origin")
    // Those that have it already come first among equals in readers, others fill up.
    await app.ready("edge-1", "cam", 2)
    await expect.poll(() => app.where("/streams/cam")).toContain("//edge-2.example")
  })

  it("is refused at the start when what is stated is not valid", () => {
    expect(() => start({ groups: [{ name: "x", primary: "a", fallbacks: ["b"] }], addresses: {} })).toThrow(
      /nothing says how they reach node a/
    )
    expect(() => start({ locator: { access: "anyone" as never } })).toThrow(/locator.access/)
  })
})

describe("GET /groups", () => {
  it("says who acts, to the admin", async () => {
    const app = start({ groups: [{ name: "harbour", primary: "a", fallbacks: ["b"] }] })
    await app.poll("a", "b")
    expect((await app.get("/groups")).status).toBe(401)
    expect(await (await app.get("/groups", admin)).json()).toMatchObject([
      { name: "harbour", kind: "mirror", sources: ["a", "b"], acting: "a", since: expect.stringMatching(/^\d{4}-/) }
    ])
  })
})

describe("GET /discovery", () => {
  it("is for the admin, and sent again only when it has changed", async () => {
    const app = start({})
    await app.poll("a")
    for (const route of ["prometheus", "traefik", "haproxy"]) {
      const path = `/discovery/${route}`
      expect((await app.get(path)).status).toBe(401)
      const first = await app.get(path, admin)
      const etag = first.headers.get("etag") ?? ""
      expect(first.status).toBe(200)
      expect(etag).toMatch(/^"[0-9a-f]{32}"$/)
      const again = await app.get(path, { ...admin, "if-none-match": etag })
      expect(again.status).toBe(304)
      expect(await again.text()).toBe("")
    }
    const before = (await app.get("/discovery/traefik", admin)).headers.get("etag") ?? ""
    await app.poll("b")
    expect((await app.get("/discovery/traefik", { ...admin, "if-none-match": before })).status).toBe(200)
  })

  it("selects nodes", async () => {
    const app = start({})
    await app.poll("a", "edge-1", "edge-2")
    const response = await app.get("/discovery/haproxy?form=servers&protocol=hls&nodes=node=edge-*", admin)
    expect(await response.text()).toBe(
      "server edge-1 edge-1.internal:8888 check cookie edge-1\nserver edge-2 edge-2.internal:8888 check cookie edge-2\n"
    )
    const wrong = await app.get("/discovery/traefik?nodes=,", admin)
    expect(wrong.status).toBe(400)
    expect(await wrong.json()).toMatchObject({ issues: [{ field: "nodes" }] })
    expect((await app.get("/discovery/haproxy?form=servers", admin)).status).toBe(400)
  })

  it("is an empty list, an empty config, and backends without servers where no node is reached", async () => {
    const app = start({ addresses: {} })
    await app.poll("a")
    expect(await (await app.get("/discovery/prometheus", admin)).json()).toStrictEqual([])
    expect(await (await app.get("/discovery/traefik", admin)).json()).toStrictEqual({})
    expect(await (await app.get("/discovery/haproxy", admin)).text()).not.toContain("server ")
  })

  it("maps streams to nodes", async () => {
    const app = start({})
    await app.poll("a", "b")
    await app.ready("a", "cam", 1)
    await app.ready("b", "cam")
    await app.ready("a", "cams/pier")
    await expect
      .poll(async () => (await app.get("/discovery/haproxy?form=map", admin)).text())
      .toBe("/cam/ b\n/cams/pier/ a\n")
  })
})
