import { execFileSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { parse } from "yaml"
import { CommandTextError } from "../../src/mediamtx/CommandText.js"
import { bootScript, composeFile, dockerCommand, nodeCommand, shellCommand } from "../../src/mediamtx/NodeCommand.js"
import { eventually, freePorts, run } from "../support/MediaMTX.js"
import { failures, give, scriptedServer } from "../support/ScriptedServer.js"

const options = { base: "https://example.com", node: "cam-1", secret: Redacted.make("SHARED_KEY") }
const whole = `logLevel: info\npaths:\n  cam: {}\n${"# filling\n".repeat(200)}# end of mtx-manager config\n`

describe("the node command", () => {
  it("is these bytes", () => {
    assert.strictEqual(
      nodeCommand("shell", options),
      `sh -c 'until (umask 077; rm -f "/etc/mediamtx.yml.new"; busybox timeout 30 busybox wget -q -O "/etc/mediamtx.yml.new" --header "Authorization: Bearer SHARED_KEY" "https://example.com/?node=cam-1&boot=1&version=\`"/mediamtx" --version 2>/dev/null | busybox tr -cd 0-9.v\`" && test "\`tail -n 1 "/etc/mediamtx.yml.new"\`" = "# end of mtx-manager config" && mv -f "/etc/mediamtx.yml.new" "/etc/mediamtx.yml"); do echo "no config from the manager yet, next attempt in 3 s" >&2; sleep 3; done; exec "/mediamtx" "/etc/mediamtx.yml"'`
    )
  })

  it("reaches docker's container as the same script", () => {
    const command = dockerCommand({ ...options, ports: ["1935:1935"] })
    // A shell function instead of the program: what counts is which words docker would get.
    const words = execFileSync("sh", ["-c", `docker() { printf '%s\\0' "$@"; }; ${command}`])
      .toString()
      .split("\0")
      .slice(0, -1)
    assert.deepStrictEqual(words, [
      ...["run", "-d", "--name", "mediamtx", "--restart", "unless-stopped", "-p", "1935:1935", "--entrypoint", "sh"],
      ...["bluenviron/mediamtx:latest-ffmpeg", "-c", bootScript(options)]
    ])
  })

  it("reaches compose's service as the same script, with nothing for compose to replace", () => {
    const text = composeFile(options)
    assert.notInclude(text, "$")
    const parsed: unknown = parse(text)
    assert.deepStrictEqual(parsed, {
      services: {
        mediamtx: {
          image: "bluenviron/mediamtx:latest-ffmpeg",
          restart: "unless-stopped",
          ports: ["8554:8554/tcp", "1935:1935/tcp", "8888:8888/tcp", "8889:8889/tcp", "8189:8189/udp", "8890:8890/udp"],
          entrypoint: ["sh", "-c"],
          command: [bootScript(options)]
        }
      }
    })
  })

  it.each([
    ["secret", { secret: "a'b" }],
    ["secret", { secret: "a$(id)" }],
    ["binary", { binary: "mediamtx" }],
    ["file", { file: "/etc/a'b.yml" }],
    ["file", { file: "/etc/" }],
    ["pause", { pause: 0 }],
    ["image", { image: "x'; rm -rf /" }],
    ["ports", { ports: ["$(id)"] }]
  ] as const)("refuses a bad %s: %o", (option, bad) => {
    try {
      for (const form of ["shell", "docker", "compose"] as const) nodeCommand(form, { ...options, ...bad })
      assert.fail("was accepted")
    } catch (error) {
      assert.instanceOf(error, CommandTextError)
      assert.strictEqual(error.option, option)
    }
  })
})

/** A stand-in for MediaMTX that says what it was started with. */
const fakeServer = (folder: string): string => {
  const binary = join(folder, "media mtx")
  writeFileSync(binary, '#!/bin/sh\n[ "$1" = --version ] && { echo v1.19.3; exit; }\necho "started with $1"\numask\n')
  chmodSync(binary, 0o755)
  return binary
}

describe.each(["sh", "busybox sh"])("the shell form under %s", (shell) => {
  const [program = "", ...before] = shell.split(" ")

  it("starts MediaMTX after whatever failures, with the whole config only", { timeout: 40_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "mtx-manager-boot-"))
    const file = join(folder, "media mtx.yml")
    const binary = fakeServer(folder)
    // Nothing listens there at first: connection refused.
    const [port = 0] = await freePorts(1)
    const command = shellCommand({ base: `http://127.0.0.1:${port}`, node: "n", secret: "K", file, binary, pause: 1 })
    const node = run(program, [...before, "-c", `exec ${command}`])
    try {
      await node.waitFor(/no config from the manager yet/)
      let at = 0
      const server = await scriptedServer((asked, response) => {
        assert.isFalse(existsSync(file), "nothing is in place before a whole config came")
        if (asked.url === "/login") return give(response, 200, "<html>log in</html>\n", "text/html")
        const failure = failures[at++]
        if (failure === undefined) give(response, 200, whole)
        else failure[1](response, whole)
      }, port)
      assert.strictEqual(await node.exited, 0, node.output())
      await server.close()
      assert.include(node.output(), `started with ${file}`)
      assert.strictEqual(readFileSync(file, "utf8"), whole)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.isFalse(existsSync(`${file}.new`))
      assert.strictEqual(server.asked.length, failures.length + 2)
      assert.strictEqual(server.asked[0]?.url, "/?node=n&boot=1&version=v1.19.3")
      assert.strictEqual(server.asked[0]?.headers.authorization, "Bearer K")
      assert.notMatch(node.output(), /^0?077$/m)
    } finally {
      await node.stop("SIGKILL")
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it("gives up on a manager that doesn't answer, and asks again", { timeout: 20_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "mtx-manager-boot-"))
    let held = 0
    const server = await scriptedServer((_, response) => {
      if (held++ > 0) give(response, 200, whole)
    })
    const binary = fakeServer(folder)
    const file = join(folder, "m.yml")
    const node = run(program, [
      ...before,
      "-c",
      shellCommand({ base: server.base, node: "n", secret: "K", file, binary, pause: 1, timeout: 1 })
    ])
    try {
      await eventually("a second attempt", async () => server.asked.length === 2)
      assert.strictEqual(await node.exited, 0)
    } finally {
      await node.stop("SIGKILL")
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
