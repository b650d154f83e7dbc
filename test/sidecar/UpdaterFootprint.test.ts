/** What the updater takes: figures to look at, with bounds that only a mistake reaches. */
import { createHmac } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"
import { tempFolder } from "../support/Manager.js"
import { eventually, freePorts, run } from "../support/MediaMTX.js"
import { scriptedServer } from "../support/ScriptedServer.js"
import { bundleSidecar, giveConfig, giveReply, rendered } from "../support/Sidecar.js"

const dockerfile = readFileSync(fileURLToPath(new URL("../../docker/updater.Dockerfile", import.meta.url)), "utf8")
/** As the image starts it. */
const flags = [...(/^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1]?.matchAll(/"(--[^"]+)"/g) ?? [])].map(
  ([, flag = ""]) => flag
)

const HOOKS = 500
const QUESTIONS = 100

it.runIf(process.platform === "linux")(
  "is ready at once and stays small, also with a relay at work",
  {
    timeout: 60_000
  },
  async () => {
    const folder = tempFolder()
    const bundle = bundleSidecar("updater")
    const config = rendered(
      `paths:\n${Array.from({ length: 100 }, (_, index) => `  cam${index}: {}`).join("\n")}\n# Its hooks and questions go to the relay at http://127.0.0.1:9995`
    )
    let hooks = 0
    const manager = await scriptedServer((asked, response) => {
      if (asked.method === "GET") return giveConfig(asked, response, config)
      if (asked.url.startsWith("/nodes")) return giveReply(response, null)
      if (asked.url.startsWith("/hooks")) hooks += [JSON.parse(asked.body)].flat().length
      response.writeHead(204).end()
    })
    const [port = 0] = await freePorts(1)
    const file = join(folder.path, "mediamtx.yml")
    const begun = performance.now()
    const updater = run("node", [...flags, bundle.file], {
      env: {
        ...{
          URL: manager.base,
          KEY: "key",
          NODE: "n1",
          CONFIG: file,
          INTERVAL: "1s",
          MEDIAMTX_API: "",
          RECORDINGS: ""
        },
        RELAY: `127.0.0.1:${port}`
      }
    })
    try {
      while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 2))
      const ready = performance.now() - begun
      const memory = () => {
        const status = readFileSync(`/proc/${updater.child.pid}/status`, "utf8")
        const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024
        return { now: of("VmRSS"), most: of("VmHWM") }
      }
      await eventually("heartbeats", async () => manager.asked.length >= 6)
      const idle = memory()

      const token = createHmac("sha256", "key").update("mtx-manager node n1").digest("base64url")
      const post = async (path: string, body: string) => {
        const response = await fetch(`http://127.0.0.1:${port}${path}?node=n1&token=${token}`, {
          method: "POST",
          headers: { "content-type": path === "/auth" ? "application/json" : "application/x-www-form-urlencoded" },
          body
        })
        expect(response.status).toBe(204)
      }
      for (let n = 0; n < HOOKS; n += 10) {
        await Promise.all(Array.from({ length: 10 }, (_, index) => post("/hooks", `event=init&path=p${n + index}`)))
      }
      for (let n = 0; n < QUESTIONS; n++) {
        await post(
          "/auth",
          `{"ip":"192.0.2.7","user":"u${n}","password":"p","token":"p","action":"read","path":"cam","protocol":"rtsp","id":null,"query":"","userAgent":""}`
        )
      }
      await eventually("all hooks", async () => hooks === HOOKS)
      const busy = memory()
      const megabytes = ({ most, now }: ReturnType<typeof memory>) =>
        `${now.toFixed(1)} MB (at most ${most.toFixed(1)})`
      console.info(
        `\n  mtx-updater: a valid config of 100 paths in place after ${Math.round(ready)} ms; resident ${megabytes(idle)}` +
          `,\n  after ${HOOKS} hooks and ${QUESTIONS} questions ${megabytes(busy)}\n`
      )
      expect(busy.now).toBeLessThan(90)
    } finally {
      await updater.stop()
      await manager.close()
      bundle.remove()
      folder.remove()
    }
  }
)
