import { Writable } from "node:stream"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { make, paint, printable, stripColors, table } from "../../src/cli/Output.js"

const stream = (isTTY: boolean) => {
  const chunks: Array<string> = []
  const writable = new Writable({
    write: (chunk, _, done) => {
      chunks.push(String(chunk))
      done()
    }
  })
  // Only `write` and `isTTY` of a WriteStream are used.
  const target = Object.assign(writable, { isTTY }) as unknown as NodeJS.WriteStream
  return { target, text: () => chunks.join("") }
}

describe("output", () => {
  it("has colours only where a person looks, and none with NO_COLOR", () => {
    const colors = (out: boolean, err: boolean, noColor?: string) => {
      const { color, noteColor } = make({ stdout: stream(out).target, stderr: stream(err).target, noColor })
      return [color, noteColor]
    }
    expect(colors(true, true)).toEqual([true, true])
    expect(colors(false, true)).toEqual([false, true])
    expect(colors(true, false)).toEqual([true, false])
    expect(colors(true, true, "")).toEqual([true, true])
    expect(colors(true, true, "1")).toEqual([false, false])
  })

  it.effect("puts results on stdout and the rest on stderr", () =>
    Effect.gen(function* () {
      const [stdout, stderr] = [stream(false), stream(false)]
      const output = make({ stdout: stdout.target, stderr: stderr.target, noColor: undefined })
      yield* output.line("result")
      yield* output.raw(new TextEncoder().encode("bytes"))
      yield* output.note("note")
      expect([stdout.text(), stderr.text()]).toEqual(["result\nbytes", "note\n"])
    })
  )

  it("lines up columns whether cells are coloured or not", () => {
    const rows = (color: boolean) => [
      ["NODE", "STATUS", "X"],
      ["a", paint("online", "green", color), ""],
      ["longer", "off", "y"]
    ]
    expect(table(rows(false))).toBe("NODE    STATUS  X\na       online\nlonger  off     y")
    const plain = stripColors(table(rows(true)))
    expect(plain.split("\n").map((line) => line.trimEnd())).toEqual(table(rows(false)).split("\n"))
  })

  it("does not let foreign text steer the terminal", () => {
    expect(printable("a\u001b[2Jb\n\u202ec")).toBe("a\\x1b[2Jb\\x0a\\u202ec")
  })
})
