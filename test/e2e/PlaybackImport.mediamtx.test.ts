/**
 * A MediaMTX that had users before there was a manager: its config is imported, and clips are cut with what the import wrote,
 * without an edit by hand.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { parse } from "yaml"
import { cliPath, type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { clipsOf, listRecorded, type Recorded, within, workerPath } from "./support/Clips.js"
import { FRAME, jumpsIn, publishing } from "./support/Timecode.js"

const NODE = "edge-1"

describeMediaMTX("clips after an import", (bin) => {
  const data = tempFolder()
  const files = tempFolder()
  const running: Array<Running> = []
  let manager: RunningManager
  let ports: ReadonlyArray<number> = []
  let recorded: Recorded
  /** As the import wrote it. */
  let login: { readonly name: string; readonly secret: string }

  const start = (command: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) => {
    const process = run(command, args, { env })
    running.push(process)
    return process
  }

  beforeAll(async () => {
    ports = await freePorts(2)
    const [rtsp = 0, playback = 0] = ports
    const old = join(files.path, "old.yml")
    writeFileSync(
      old,
      `
rtspAddress: 127.0.0.1:${rtsp}
rtspTransports: [tcp]
rtspEncryption: "no"
playback: yes
playbackAddress: 127.0.0.1:${playback}
rtmp: no
hls: no
webrtc: no
srt: no
moq: no
authInternalUsers:
  - user: any
    ips: [127.0.0.1]
    permissions: [{ action: publish }]
  - user: alice
    pass: wonderland
    permissions: [{ action: read }, { action: playback }]
paths:
  cam:
    record: yes
    recordPath: ${files.path}/%path/%Y-%m-%d_%H-%M-%S-%f
    recordPartDuration: 1s
`
    )
    const imported = run("node", [cliPath, "import", old, "--data", data.path], { env: { NO_COLOR: "1" } })
    expect(await imported.exited, imported.output()).toBe(0)
    // The file's own form, which the test of the import compares whole.
    const rules = parse(readFileSync(join(data.path, "config", "manager.yml"), "utf8")) as {
      readonly auth: { readonly users: ReadonlyArray<typeof login> }
    }
    const found = rules.auth.users.find(({ name }) => imported.output().includes(`MEDIAMTX_USER=${name} `))
    if (found === undefined) throw new Error(`no user for workers: ${imported.output()}`)
    login = found

    manager = await startManager({ data: data.path })
    const response = await manager.get(`/?node=${NODE}`)
    expect(response.status).toBe(200)
    const config = join(files.path, "mediamtx.yml")
    writeFileSync(config, await response.text())
    const node = start(bin, [config], { TZ: "UTC" })
    await node.waitFor(/\[RTSP\] started/)
    const publisher = start("ffmpeg", publishing(`rtsp://127.0.0.1:${rtsp}/cam`))
    const alice = `Basic ${Buffer.from("alice:wonderland").toString("base64")}`
    recorded = await eventually(
      "a recording of 5 s",
      async () => {
        const [span] = await listRecorded(playback, "cam", alice)
        return span !== undefined && span.end - span.start > 5_000 && span
      },
      60_000
    )
    await publisher.stop("SIGINT")
  }, 90_000)

  afterAll(async () => {
    await Promise.all(running.map((process) => process.stop("SIGTERM")))
    await manager?.stop()
    for (const folder of [data, files]) folder.remove()
  }, 30_000)

  it("a worker that logs in as the import says cuts them, and nobody else may play back", async () => {
    const [, playback = 0] = ports
    await expect(listRecorded(playback, "cam")).rejects.toThrow(/401/)
    const worker = start("node", [workerPath], {
      URL: manager.url,
      KEY: manager.key,
      NODE,
      MEDIAMTX_URL: `http://127.0.0.1:${playback}`,
      MEDIAMTX_USER: login.name,
      MEDIAMTX_PASSWORD: login.secret,
      SPOOL: join(files.path, "spool")
    })
    await worker.waitFor(/mtx-playback cuts recordings/)
    const from = Math.round(recorded.start + 1_000)
    const { get } = clipsOf("cam", () => manager, { folder: files.path, log: worker.output })
    const { clip, seen } = await get(from, 3_000)
    expect(clip.gaps).toEqual([])
    within(seen.duration, 3_000, 100)
    within(seen.frames[0] ?? -1, 1_000 / FRAME, 5)
    expect(jumpsIn(seen.frames)).toEqual([])
  })
})
