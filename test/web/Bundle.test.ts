/** What is built of the dashboard. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gunzipSync, gzipSync } from "node:zlib"
import { afterAll, assert, describe, it } from "vitest"

const LIMIT = 150 * 1024

describe("the dashboard's bundle", () => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-web-"))
  const file = join(folder, "assets.js")
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  execFileSync("node", [fileURLToPath(new URL("../../scripts/bundle-web.mjs", import.meta.url)), "--out", file])
  const assets: Record<string, { readonly text: string; readonly gzip: string }> = JSON.parse(
    readFileSync(file, "utf8").replace(/^export const assets = /, "")
  )

  it("is under 150 KiB of gzip in all", () => {
    const size = Object.values(assets).reduce((sum, { text }) => sum + gzipSync(text, { level: 9 }).length, 0)
    console.log(`dashboard: ${(size / 1024).toFixed(1)} KiB gzip`)
    assert.sameMembers(Object.keys(assets), ["index.html", "app.js", "app.css"])
    assert.isBelow(size, LIMIT)
  })

  it("has each file packed as well", () => {
    for (const { gzip, text } of Object.values(assets)) {
      assert.strictEqual(gunzipSync(Buffer.from(gzip, "base64")).toString(), text)
    }
  })

  it("takes nothing from elsewhere and writes no markup", () => {
    const script = assets["app.js"]?.text ?? ""
    const markup = assets["index.html"]?.text ?? ""
    assert.notMatch(`${markup}${assets["app.css"]?.text}`, /(?:src|href|url\()\s*=?\s*["']?(?:https?:)?\/\//)
    assert.notMatch(script, /import\(["']https?:/)
    const folder = fileURLToPath(new URL("../../src/web/", import.meta.url))
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((each) =>
      /\.tsx?$/.test(each)
    )) {
      const source = readFileSync(join(folder, name), "utf8")
      assert.notMatch(source, /dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|document\.write/, name)
    }
  })
})
