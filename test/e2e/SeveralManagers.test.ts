/** Several managers of the prebuilt server on one PostgreSQL database. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, expect, it } from "vitest"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describePostgres } from "../support/Postgres.js"

await describePostgres("mtx-manager serve --database postgres://", (server) => {
  const folder = tempFolder()
  const running: Array<RunningManager> = []
  afterAll(async () => {
    await Promise.all(running.map((manager) => manager.stop("SIGKILL")))
    folder.remove()
  })
  const start = async (name: string) => {
    const manager = await startManager({
      data: join(folder.path, name),
      base: "http://manager.test",
      args: ["--database", server.url, "--quiet"]
    })
    running.push(manager)
    return manager
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
  })
})
