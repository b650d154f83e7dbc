import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { renderConfigReference, renderLint, renderSettings } from "./renderReferences.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const docs = join(root, "docs")

describe("docs", () => {
  it("the config reference is what the tables say", async () => {
    await expect(renderConfigReference()).toMatchFileSnapshot(join(docs, "config-reference.md"))
  })

  it("the settings are what the program takes", async () => {
    await expect(renderSettings()).toMatchFileSnapshot(join(docs, "settings.md"))
  })

  it("the rules of lint are what it checks", async () => {
    await expect(renderLint()).toMatchFileSnapshot(join(docs, "lint.md"))
  })

  const pages = [
    join(root, "README.md"),
    ...readdirSync(docs)
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(docs, name))
  ]

  it.each(pages)("%s links only to what exists", (page) => {
    const text = readFileSync(page, "utf8")
    const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1] ?? "")
    const missing = links.filter((link) => !existsSync(join(dirname(page), link)))
    expect(missing).toEqual([])
  })
})
