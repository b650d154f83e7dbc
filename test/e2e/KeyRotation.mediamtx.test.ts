/**
 * Another shared key under a real node with a real stream: nothing drops until the node is restarted, and then it goes by
 * the new key.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, expect, it } from "vitest"
import { type RunningManager, startManager, TEST_KEY, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"

const NEW_KEY = "another-key-0123456789abcdefghijklm"
/** Seconds between two polls of the node's refresh loop. */
const EVERY = 2

const baseYml = (ports: { readonly rtsp: number; readonly api: number }, extra = "") => `
api: yes
apiAddress: 127.0.0.1:${ports.api}
rtspAddress: 127.0.0.1:${ports.rtsp}
rtspTransports: [tcp]
rtmp: no
hls: no
webrtc: no
srt: no
moq: no
paths:
  cam:
${extra}`

const managerYml = `
auth:
  rules:
    - allow: [publish, read, api]
      ips: [127.0.0.1]
`

describeMediaMTX("another shared key", (bin) => {
  const folder = tempFolder()
  const nodeFolder = tempFolder()
  const started: Array<Running> = []
  let manager: RunningManager | undefined

  afterAll(async () => {
    await Promise.all(started.map((each) => each.stop("SIGKILL")))
    await manager?.stop()
    folder.remove()
    nodeFolder.remove()
  }, 30_000)

  it("drops no stream, and the node goes over when it is restarted", async () => {
    const [rtsp = 0, api = 0, port = 0] = await freePorts(3)
    const file = join(nodeFolder.path, "mediamtx.yml")
    const baseFile = join(folder.path, "config", "base.yml")
    mkdirSync(join(folder.path, "config"), { recursive: true })
    writeFileSync(baseFile, baseYml({ rtsp, api }))
    writeFileSync(join(folder.path, "config", "manager.yml"), managerYml)
    const args = ["--refresh-every", String(EVERY), "--node-config-file", file]
    manager = await startManager({ data: folder.path, port, args })
    const tokenIn = (text: string) => /Bearer ([\w-]{43})/.exec(text)?.[1] ?? "none"

    const command = await manager.cli(
      ...["node-command", "cam-1", "--shell", "--data", folder.path, "--base", manager.url, "--key", TEST_KEY],
      ...["--binary", bin, "--file", file]
    )
    const boot = async () => {
      const node = run("sh", ["-c", command.trim()], { cwd: nodeFolder.path })
      started.push(node)
      await node.waitFor(/\[RTSP\] started/, 20_000)
      return node
    }
    const publish = () =>
      started.push(
        run("ffmpeg", [
          ...[
            "-hide_banner",
            "-loglevel",
            "error",
            "-nostdin",
            "-re",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=160x120:rate=10"
          ],
          ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"],
          ...["-f", "rtsp", "-rtsp_transport", "tcp", `rtsp://127.0.0.1:${rtsp}/cam`]
        ])
      )
    /** The session that publishes: another one would mean that the stream was dropped. */
    const source = async () => {
      const response = await fetch(`http://127.0.0.1:${api}/v3/paths/get/cam`)
      const path: { readonly available: boolean; readonly source: { readonly id: string } | null } =
        await response.json()
      return path.available ? path.source?.id : undefined
    }
    const behind = async () =>
      /^mtx_manager_nodes_behind_key (\d+)$/m.exec((await (await manager?.get("/metrics"))?.text()) ?? "")?.[1]

    const node = await boot()
    publish()
    const session = await eventually("the stream is there", source)
    const before = readFileSync(file, "utf8")
    const old = tokenIn(before)

    await manager.stop()
    manager = await startManager({
      ...{ data: folder.path, port, key: NEW_KEY },
      args: [...args, "--previous-key", TEST_KEY]
    })
    await eventually("the node has polled the new manager", async () => ((await behind()) === "1" ? true : undefined))
    expect(readFileSync(file, "utf8")).toBe(before)
    // A change of the config comes through all the same, and brings no other token.
    writeFileSync(baseFile, baseYml({ rtsp, api }, "  extra:\n"))
    await eventually("the node has the changed config", async () =>
      (await fetch(`http://127.0.0.1:${api}/v3/config/paths/get/extra`)).ok ? true : undefined
    )
    expect(tokenIn(readFileSync(file, "utf8"))).toBe(old)
    expect(await source()).toBe(session)

    // Restarted as it was started before: the command still has the old token.
    await node.stop("SIGTERM")
    await boot()
    const fresh = tokenIn(readFileSync(file, "utf8"))
    expect(fresh).not.toBe(old)
    publish()
    const next = await eventually("the stream is there again", source)
    await eventually("the node goes by the new key", async () => ((await behind()) === "0" ? true : undefined))

    // The rotation is finished, and the node does not notice.
    await manager.stop()
    manager = await startManager({ data: folder.path, port, key: NEW_KEY, args })
    await eventually("the node has polled", async () => {
      const [record] =
        (await manager?.json<ReadonlyArray<{ readonly lastSeenBy: string; readonly lastSeen: string }>>("/nodes")) ?? []
      const text = (await (await manager?.get("/metrics"))?.text()) ?? ""
      return record !== undefined && /route="config",outcome="unchanged"\} [1-9]/.test(text) ? true : undefined
    })
    expect(await source()).toBe(next)
    expect(tokenIn(readFileSync(file, "utf8"))).toBe(fresh)
  }, 90_000)
})
