import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { CommandTextError } from "../../src/mediamtx/CommandText.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { splitHookCommand } from "../../src/mediamtx/HookCommand.js"
import { refreshLoopCommand, refreshPath } from "../../src/mediamtx/RefreshLoop.js"
import { stringify } from "../../src/mediamtx/Yaml.js"
import { goArguments } from "../support/GoCommand.js"
import { describeMediaMTX, eventually, freePorts, run } from "../support/MediaMTX.js"
import { type Asked, failures, give, scriptedServer } from "../support/ScriptedServer.js"

const options = { base: "https://example.com", node: "cam-1", secret: "TOKEN" }
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")
const config = (name: string) =>
  `logLevel: info\npaths:\n  ${name}: {}\n${"# filling\n".repeat(200)}# end of mtx-manager config\n`

/** As the manager answers: 304 when the node has it already. */
const poll = (asked: Asked, response: ServerResponse, text: string): void => {
  if (asked.headers["if-none-match"] === `"${sha256(text)}"`) {
    response.writeHead(304, { connection: "close" })
    response.end()
  } else give(response, 200, text)
}

describe("the refresh path", () => {
  it("is these bytes", () => {
    const { config, name } = refreshPath(options)
    assert.strictEqual(name, "mtx-manager")
    assert.deepStrictEqual(config, {
      source: "redirect",
      sourceRedirect: "rtsp://mtx-manager.invalid/",
      alwaysAvailable: false,
      srtPublishPassphrase: "",
      runOnDemand: "",
      runOnUnDemand: "",
      runOnInit:
        `sh -c 'umask 077; while sleep 10 && eval kill -0 \`printf "\\044PPID"\`; do rm -f "/etc/mediamtx.yml.new"; ` +
        `{ busybox timeout 30 busybox wget -q -O "/etc/mediamtx.yml.new" --header "Authorization: Bearer TOKEN" ` +
        `--header "If-None-Match: \\"\`sha256sum "/etc/mediamtx.yml" | cut -c1-64\`\\"" "https://example.com/?node=cam-1&every=10" ` +
        `&& test "\`tail -n 1 "/etc/mediamtx.yml.new"\`" = "# end of mtx-manager config" ` +
        `&& ! cmp -s "/etc/mediamtx.yml.new" "/etc/mediamtx.yml" ` +
        `&& mv -f "/etc/mediamtx.yml.new" "/etc/mediamtx.yml"; } 2>&1 | grep -v " 304 "; done'`,
      runOnInitRestart: true
    })
  })

  it("is valid whatever the defaults are, and has nothing for MediaMTX to expand", () => {
    const { config, name } = refreshPath({ ...options, path: "internal/refresh" })
    assert.notInclude(config.runOnInit, "$")
    assert.strictEqual(splitHookCommand(config.runOnInit).length, 3)
    const all = {
      pathDefaults: {
        srtPublishPassphrase: "0123456789",
        alwaysAvailable: true,
        alwaysAvailableTracks: [{ codec: "H264" }],
        runOnDemand: "true"
      },
      paths: { [name]: config }
    }
    // alwaysAvailable and runOnDemand exclude each other in a default that a path uses; the refresh path uses neither.
    const result = validateConfig(all)
    assert.isTrue(Either.isRight(result), Either.isLeft(result) ? result.left.message : "")
  })

  it.each([
    ["refresh.every", { every: 1 }],
    ["refresh.every", { every: 2.5 }],
    ["refresh.every", { every: 3601 }],
    ["refresh.path", { path: "~^x$" }],
    ["refresh.path", { path: "all_others" }],
    ["refresh.path", { path: "/x" }],
    ["refresh.file", { file: "mediamtx.yml" }],
    ["refresh.file", { file: "/etc/$HOME.yml" }],
    ["key", { secret: "a'b" }]
  ] as const)("refuses a bad %s: %o", (option, bad) => {
    try {
      refreshPath({ ...options, ...bad })
      assert.fail("was accepted")
    } catch (error) {
      assert.instanceOf(error, CommandTextError)
      assert.strictEqual(error.option, option)
    }
  })
})

describe.concurrent.each(["sh", "busybox sh"])("the loop, run as MediaMTX runs it, under %s", (shell) => {
  const start = (text: string, secret = "K") => {
    const folder = mkdtempSync(join(tmpdir(), "mtx-manager-loop-"))
    const file = join(folder, "media mtx.yml")
    writeFileSync(file, text)
    return {
      folder,
      file,
      spawn: (base: string) => {
        const words = goArguments(refreshLoopCommand({ base, node: "n", secret, every: 2, file, timeout: 1 }), {})
        assert.strictEqual(words[0], "sh")
        return run(shell.split(" ")[0] ?? "", [...shell.split(" ").slice(1), ...words.slice(1)])
      }
    }
  }

  it("moves whole, new configs only, and tells the hash of what it has", { timeout: 60_000 }, async () => {
    const loop = start(config("first"))
    let at = 0
    const inodes: Array<number> = []
    const server = await scriptedServer((asked, response) => {
      if (asked.url === "/login") return give(response, 200, "<html>log in</html>\n", "text/html")
      inodes.push(statSync(loop.file).ino)
      assert.include([config("first"), config("second")], readFileSync(loop.file, "utf8"))
      const failure = failures[at++]
      if (failure !== undefined) failure[1](response, config("second"))
      // Held: the time limit must end it.
      else if (at === failures.length + 1) return
      // The same once more, although the hash says that it is there: cmp must see it.
      else if (at === failures.length + 2) give(response, 200, config("first"))
      else poll(asked, response, config("second"))
    })
    const process = loop.spawn(server.base)
    try {
      await eventually("the second config", async () => readFileSync(loop.file, "utf8") === config("second"), 50_000)
      await eventually(
        "a poll after it",
        async () => server.asked.at(-1)?.headers["if-none-match"] === `"${sha256(config("second"))}"`
      )
      await eventually("the answer's effect", async () => !existsSync(`${loop.file}.new`))
      assert.strictEqual(server.asked[0]?.url, "/?node=n&every=2")
      assert.strictEqual(server.asked[0]?.headers.authorization, "Bearer K")
      assert.strictEqual(server.asked[0]?.headers["if-none-match"], `"${sha256(config("first"))}"`)
      // One and the same file until the one move.
      assert.strictEqual(new Set(inodes).size, 2)
      assert.strictEqual(statSync(loop.file).mode & 0o777, 0o600)
      const polls = server.asked.filter((asked) => asked.url !== "/login")
      for (const [index, asked] of polls.entries()) {
        const previous = polls[index - 1]
        if (previous !== undefined) assert.isAtLeast(asked.at - previous.at, 1_950)
      }
      assert.include(process.output(), "500")
      assert.notInclude(process.output(), "304")
    } finally {
      await process.stop("SIGINT")
      await server.close()
      rmSync(loop.folder, { recursive: true, force: true })
    }
  })

  it("ends when the process that started it is gone", { timeout: 20_000 }, async () => {
    const loop = start(config("first"))
    const server = await scriptedServer((asked, response) => poll(asked, response, config("first")))
    const words = goArguments(
      refreshLoopCommand({ base: server.base, node: "n", secret: "K", every: 2, file: loop.file }),
      {}
    )
    // A parent between us and the loop that can be killed without a word.
    const parent = spawn("sh", ["-c", '"$@" & echo $!; wait', "sh", ...shell.split(" "), ...words.slice(1)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (data) => resolve(Number(data))))
    const alive = () => {
      try {
        process.kill(pid, 0)
        return true
      } catch {
        return false
      }
    }
    try {
      await eventually("a poll", async () => server.asked.length > 0)
      assert.isTrue(alive())
      parent.kill("SIGKILL")
      await eventually("the loop's end", async () => !alive())
    } finally {
      if (alive()) process.kill(pid, "SIGKILL")
      await server.close()
      rmSync(loop.folder, { recursive: true, force: true })
    }
  })
})

describeMediaMTX("the refresh path in the real server", (bin) => {
  it("refreshes the file, can be neither published to nor read, and dies with the server", {
    timeout: 60_000
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "mtx-manager-real-"))
    const file = join(folder, "mediamtx.yml")
    const [rtsp = 0, hls = 0, rtmp = 0, api = 0] = await freePorts(4)
    const server = await scriptedServer((asked, response) => poll(asked, response, text("one")))
    const refresh = refreshPath({ base: server.base, node: "n", secret: "K", every: 2, file })
    const text = (extra: string) =>
      `${stringify({
        logLevel: "info",
        rtspAddress: `127.0.0.1:${rtsp}`,
        rtspTransports: ["tcp"],
        hlsAddress: `127.0.0.1:${hls}`,
        rtmpAddress: `127.0.0.1:${rtmp}`,
        webrtc: false,
        srt: false,
        moq: false,
        api: true,
        apiAddress: `127.0.0.1:${api}`,
        // As hostile as defaults get.
        pathDefaults: { srtPublishPassphrase: "0123456789", runOnDemand: "true" },
        paths: { [extra]: {}, [refresh.name]: { ...refresh.config }, all_others: {} }
      })}# end of mtx-manager config\n`
    writeFileSync(file, text("one"))
    const node = run(bin, [file])
    const paths = async (): Promise<string> => (await fetch(`http://127.0.0.1:${api}/v3/paths/list`)).text()
    try {
      await eventually("the first poll", async () => server.asked.length > 0)
      assert.strictEqual(server.asked[0]?.headers["if-none-match"], `"${sha256(text("one"))}"`)
      const publish = run("ffmpeg", [
        ...["-v", "error", "-f", "lavfi", "-i", "testsrc=d=3:s=128x96", "-c:v", "libx264", "-rtsp_transport", "tcp"],
        ...["-f", "rtsp", `rtsp://127.0.0.1:${rtsp}/mtx-manager`]
      ])
      assert.notStrictEqual(await publish.exited, 0)
      assert.match(node.output(), /can't publish to path 'mtx-manager'/)
      const rtmpPublish = run("ffmpeg", [
        ...["-v", "error", "-f", "lavfi", "-i", "testsrc=d=3:s=128x96", "-c:v", "libx264"],
        ...["-f", "flv", `rtmp://127.0.0.1:${rtmp}/mtx-manager`]
      ])
      assert.notStrictEqual(await rtmpPublish.exited, 0)
      const rtmpRead = run("ffprobe", ["-v", "error", `rtmp://127.0.0.1:${rtmp}/mtx-manager`])
      assert.notStrictEqual(await rtmpRead.exited, 0)
      const read = run("ffprobe", ["-v", "error", "-rtsp_transport", "tcp", `rtsp://127.0.0.1:${rtsp}/mtx-manager`])
      assert.notStrictEqual(await read.exited, 0)
      const page = await fetch(`http://127.0.0.1:${hls}/mtx-manager/index.m3u8?cookieCheck=1`)
      assert.notStrictEqual(page.status, 200)
      assert.include(await paths(), '"available":false')

      server.answer = (asked, response) => poll(asked, response, text("two"))
      await eventually("the new path", async () => (await paths()).includes('"two"'))
      assert.strictEqual(readFileSync(file, "utf8"), text("two"))
      const started = node.output().match(/runOnInit command started/g)
      assert.strictEqual(started?.length, 1, "the refresh path is not recreated by a reload")

      const seen = server.asked.length
      await eventually("polls by the same loop", async () => server.asked.length > seen + 1)
      assert.strictEqual(node.output().match(/reloading configuration/g)?.length, 1)

      // Only the server itself, not its group: as an out-of-memory kill does it.
      if (node.child.pid !== undefined) process.kill(node.child.pid, "SIGKILL")
      await node.exited
      const loops = () =>
        new Promise<string>((resolve) => {
          const ps = spawn("pgrep", ["-f", file])
          let out = ""
          ps.stdout.on("data", (data) => {
            out += data
          })
          ps.on("close", () => resolve(out.trim()))
        })
      await eventually("the loop's end", async () => (await loops()) === "")
    } finally {
      await node.stop("SIGKILL")
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
