/**
 * The dashboard in a real browser, on the built server with a fleet that reports to it.
 *
 * `PICTURES=1 npx vitest run test/web/Dashboard.chromium.test.ts` also takes the pictures for the docs.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Browser, Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { describeChromium } from "../support/Chromium.js"
import { type RunningManager, startManager, TEST_KEY, tempFolder } from "../support/Manager.js"
import { fleet } from "./Fleet.js"

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const pictures = fileURLToPath(new URL("../../docs/pictures/", import.meta.url))
/** The machine that runs this may be doing much else. */
const PATIENCE = 30_000

interface AxeResult {
  readonly violations: ReadonlyArray<{
    readonly id: string
    readonly help: string
    readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary: string }>
  }>
}

/** What axe finds against WCAG 2.2 AA, in words. */
const accessibility = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axeSource)
  const result: AxeResult = await page.evaluate(
    `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })`
  )
  return result.violations.flatMap(({ help, id, nodes }) =>
    nodes.map(({ failureSummary, html }) => `${id}: ${help}\n  ${html.slice(0, 200)}\n  ${failureSummary}`)
  )
}

const baseYml = `paths:
  cam/1: {record: true, recordPath: ./recordings/%path/%Y-%m-%d_%H-%M-%S-%f}
  cam/2: {}
  all_others: {}
`
const managerYml = `auth: {rules: [{name: open, allow: [publish, read, playback]}]}
`

describeChromium("the dashboard", (launch) => {
  const folder = tempFolder()
  let manager: RunningManager
  let browser: Browser
  let page: Page
  let nodes: ReturnType<typeof fleet>
  /** What the page complained about: a policy that was broken, a script that failed. */
  const complaints: Array<string> = []

  const start = async (port?: number) => {
    manager = await startManager({
      data: folder.path,
      args: ["--config-source", "revisions"],
      ...(port === undefined ? {} : { port })
    })
    nodes = fleet(manager)
  }
  const open = async (hash: string, heading: string) => {
    await page.goto(`${manager.url}/dashboard#/${hash}`)
    await page.getByRole("heading", { level: 1, name: heading }).waitFor({ timeout: PATIENCE })
  }
  const picture = async (name: string) => {
    if (process.env["PICTURES"] !== "1") return
    mkdirSync(pictures, { recursive: true })
    writeFileSync(join(pictures, `dashboard-${name}.png`), await page.screenshot())
  }
  /** Nothing to complain about for axe, in both themes, and nothing that is wider than a phone. */
  const fits = async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme })
      assert.deepStrictEqual(await accessibility(page), [], `${page.url()} ${colorScheme}`)
    }
    await page.emulateMedia({ colorScheme: "light" })
    await page.setViewportSize({ width: 360, height: 740 })
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    await page.setViewportSize({ width: 1200, height: 800 })
    assert.isAtMost(width, 360, `${page.url()} on a phone`)
  }
  const text = (locator: string, wanted: RegExp) =>
    page.locator(locator).filter({ hasText: wanted }).first().waitFor({ timeout: PATIENCE })

  beforeAll(async () => {
    mkdirSync(join(folder.path, "config"))
    writeFileSync(join(folder.path, "config", "base.yml"), baseYml)
    writeFileSync(join(folder.path, "config", "manager.yml"), managerYml)
    await start()
    await nodes.beat("north", { paths: [nodes.path("cam/1", 3), nodes.path("cam/2", 1)] })
    await nodes.beat("south", { paths: [nodes.path("cam/1", 2)] })
    await nodes.beat("west", {
      appliedHash: "0".repeat(64),
      error: "json: unknown field <b>bold</b>",
      configError: "json: unknown field <b>bold</b>",
      status: "failed",
      paths: []
    })
    browser = await launch()
    page = await browser.newPage({ viewport: { width: 1200, height: 800 }, colorScheme: "light" })
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.on("console", (message) => {
      // A response that is not a good one is told to people by the page itself.
      if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text())
    })
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await manager?.stop()
    folder.remove()
  }, 60_000)

  it("lets in who has the key, and keeps a session that no script can read", { timeout: 120_000 }, async () => {
    await open("", "mtx-manager")
    await fits()
    await page.getByLabel("Admin key").fill("not the key")
    await page.getByRole("button", { name: "Log in" }).click()
    await text("[role=alert]", /not the admin key/)
    await page.getByLabel("Admin key").fill(TEST_KEY)
    await page.keyboard.press("Enter")
    await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor({ timeout: PATIENCE })
    assert.strictEqual(await page.evaluate(() => document.cookie), "")
    const [cookie] = await page.context().cookies()
    assert.deepInclude(cookie, { name: "mtx_session", path: "/", httpOnly: true, sameSite: "Strict" })
    await page.reload()
    await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor({ timeout: PATIENCE })
  })

  it("shows the fleet, and what happens in it as it happens", { timeout: 120_000 }, async () => {
    await text("#connection", /live/)
    await text(".cards .card", /Nodes online\s*3/)
    await text(".cards .card", /Streams\s*2/)
    await text(".cards .card", /Readers\s*6/)
    // Text of a node is text.
    await text("table", /west/)
    for (const id of ["new-1", "new-2"]) {
      await nodes.hook("south", { event: "read", path: "cam/1", type: "rtspSession", id, query: "token=hunter2" })
    }
    await text(".cards .card", /Readers\s*8/)
    await text("table", /cam\/1.*rtspSession/)
    assert.notInclude(await page.content(), "hunter2")
    await fits()
    await picture("fleet")
  })

  it("goes on where it was after the manager was away", { timeout: 120_000 }, async () => {
    await open("events", "Events")
    const { port } = new URL(manager.url)
    await manager.stop()
    await text("#connection", /lost/)
    await start(Number(port))
    await nodes.hook("south", { event: "unread", path: "cam/1", type: "rtspSession", id: "new-2", query: "" })
    await text("#connection", /live/)
    await text(".list-row", /unread.*cam\/1.*new-2/)
    await page.getByLabel("Stream").fill("nowhere")
    await text(".list-row", /Nothing yet/)
    await page.getByLabel("Stream").fill("cam/1")
    await text(".list-row", /unread/)
    await fits()
    await picture("events")
  })

  describe("with 10,000 nodes more", () => {
    it("scrolls its list without jank", { timeout: 180_000 }, async () => {
      await nodes.crowd(10_000)
      await open("nodes", "Nodes")
      await text("[role=status]", /10,003 of 10,003/)
      await fits()
      await picture("nodes")
      /** Milliseconds between frames while the list is scrolled from its top to its end. */
      const frames = await page.evaluate(async () => {
        const body = document.querySelector(".list-body")
        if (body === null) throw new Error("no list")
        const out: Array<number> = []
        let before = performance.now()
        for (let i = 0; i <= 60; i++) {
          body.scrollTop = (body.scrollHeight / 60) * i
          await new Promise((resolve) => requestAnimationFrame(resolve))
          const now = performance.now()
          out.push(now - before)
          before = now
        }
        return out.sort((a, b) => a - b)
      })
      const rows = await page.locator(".list-row").count()
      console.log(
        `10,003 nodes: ${rows} rows in the page, a frame ${frames[30]?.toFixed(0)} ms at the median, ${frames[57]?.toFixed(0)} ms at p95`
      )
      assert.isBelow(rows, 60)
      assert.isBelow(frames[30] ?? Number.POSITIVE_INFINITY, 50)
      await text(".list-row", /west/)
      await page.getByLabel("Name or address").fill("crowd-0999")
      await text("[role=status]", /10 of 10,003/)
    })
  })

  it("goes by the keyboard", { timeout: 60_000 }, async () => {
    await page.keyboard.press("Alt+1")
    await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor({ timeout: PATIENCE })
    await page.reload()
    await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor({ timeout: PATIENCE })
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert.strictEqual(await page.evaluate(() => document.activeElement?.id), "main")
  })

  it("lets nobody in after they have logged out", { timeout: 60_000 }, async () => {
    await page.getByRole("button", { name: "Log out" }).click()
    await page.getByLabel("Admin key").waitFor({ timeout: PATIENCE })
    await page.reload()
    await page.getByLabel("Admin key").waitFor({ timeout: PATIENCE })
  })

  it("gave the browser nothing to complain about", () => {
    assert.deepStrictEqual(complaints, [])
  })
})
