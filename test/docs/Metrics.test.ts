/** docs/metrics.md, the dashboard and the alert rules name what there is. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"

const root = fileURLToPath(new URL("../..", import.meta.url))
const text = (file: string) => readFileSync(join(root, file), "utf8")

const isCounter = (name: string, source: string) => new RegExp(`ounter\\(\\s*"${name}"`).test(source)

/** Names as they are exported, from the source: where a metric is made its name stands whole. */
const exported = new Set<string>()
/** Names of tables look the same. */
const tables = new Set(["mtx_manager_migrations"])
for (const file of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
  if (!file.endsWith(".ts")) continue
  const source = text(join("src", file))
  for (const [, name = ""] of source.matchAll(/"((?:mtx_manager|process)_[a-z_]+[a-z])"/g)) {
    if (tables.has(name)) continue
    exported.add(isCounter(name, source) && !name.endsWith("_total") ? `${name}_total` : name)
  }
}

const rows = [...text("docs/metrics.md").matchAll(/^\| `([a-z_]+)` \| (\w+) \| ([^|]*)\|/gm)]
const documented = new Map(rows.map(([, name = "", , labels = ""]) => [name, labels] as const))

/** The metrics that a PromQL expression selects, each with its label matchers. */
const selected = (expr: string) =>
  [...expr.matchAll(/\b((?:mtx_manager|process)_[a-z_]+)(?:\{([^}]*)\})?/g)].map(([, name = "", matchers = ""]) => ({
    name,
    matchers: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, label = "", value = ""]) => ({
      label,
      value
    }))
  }))

/** What is wrong with an expression, as far as that can be told without Prometheus. */
const problems = (expr: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const open: Array<string> = []
  const pairs: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" }
  for (const char of expr.replace(/"[^"]*"/g, '""')) {
    if ("([{".includes(char)) open.push(char)
    else if (pairs[char] !== undefined && open.pop() !== pairs[char]) found.push(`unbalanced ${char}`)
  }
  if (open.length > 0) found.push(`${open.join("")} is never closed`)
  const names = selected(expr)
  if (names.length === 0 && !/^up\{job="mtx-manager"\}/.test(expr)) found.push("names no metric of ours")
  for (const { matchers, name } of names) {
    const labels = documented.get(name)
    if (labels === undefined) found.push(`${name} is not documented`)
    for (const { label, value } of matchers) {
      if (label === "job") continue
      if (labels?.includes(`\`${label}\``) !== true) found.push(`${name} has no label ${label}`)
      // Words of `outcome` are told in the last column.
      else if (label !== "outcome" && !value.split("|").every((word) => labels.includes(word))) {
        found.push(`${name} has no ${label} ${value}`)
      }
    }
  }
  for (const [whole] of expr.matchAll(/\b(?:rate|increase|irate)\([^)]*\)/g)) {
    if (!/\[(?:\$__rate_interval|\d+[smhd])\]/.test(whole)) found.push(`${whole} has no range`)
    if (!/_total\b/.test(whole)) found.push(`${whole} is of a gauge`)
  }
  return found
}

describe("docs/metrics.md", () => {
  it("has every metric that is exported, and no other, each once", () => {
    expect([...documented.keys()].sort()).toEqual([...exported].sort())
    expect(rows.length).toBe(documented.size)
  })
})

describe("the alert rules", () => {
  const file: unknown = parse(text("docs/prometheus-alerts.yml"))
  const rules = (file as { groups: ReadonlyArray<{ rules: ReadonlyArray<Record<string, unknown>> }> }).groups.flatMap(
    (group) => group.rules
  )

  it.each(rules.map((rule) => [String(rule["alert"]), rule] as const))("%s", (name, rule) => {
    expect(name).toMatch(/^[A-Z][A-Za-z]+$/)
    expect(problems(String(rule["expr"]))).toEqual([])
    expect(rule["labels"]).toEqual({ severity: expect.stringMatching(/^(?:warning|critical)$/) })
    expect(rule["annotations"]).toEqual({ summary: expect.any(String), description: expect.any(String) })
    if (rule["for"] !== undefined) expect(rule["for"]).toMatch(/^\d+[mh]$/)
    expect(Object.keys(rule).filter((key) => !["alert", "expr", "for", "labels", "annotations"].includes(key))).toEqual(
      []
    )
  })

  it("are not named twice", () => {
    expect(new Set(rules.map((rule) => rule["alert"])).size).toBe(rules.length)
  })
})

describe("the dashboard", () => {
  interface Panel {
    readonly id: number
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
  }
  const {
    panels,
    templating
  }: { panels: ReadonlyArray<Panel>; templating: { list: ReadonlyArray<{ name: string }> } } = JSON.parse(
    text("docs/grafana-dashboard.json")
  )

  it.each(panels.map((panel) => [panel.title, panel] as const))("%s", (_, panel) => {
    for (const { expr } of panel.targets) expect(problems(expr)).toEqual([])
    expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24)
  })

  it("has panels of their own ids that don't lie on each other, and knows its variables", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const a of panels) {
      for (const b of panels) {
        const apart =
          a === b ||
          a.gridPos.x + a.gridPos.w <= b.gridPos.x ||
          b.gridPos.x + b.gridPos.w <= a.gridPos.x ||
          a.gridPos.y + a.gridPos.h <= b.gridPos.y ||
          b.gridPos.y + b.gridPos.h <= a.gridPos.y
        expect(apart, `${a.title} and ${b.title}`).toBe(true)
      }
    }
    expect(templating.list.map(({ name }) => name)).toEqual(["datasource", "job"])
  })

  it("is judged by a check that can fail", () => {
    expect(problems("rate(mtx_manager_hooks_recorded_total)")).not.toEqual([])
    expect(problems("sum(mtx_manager_nodez")).toHaveLength(2)
    expect(problems('mtx_manager_nodes{status="gone"}')).not.toEqual([])
    expect(problems('mtx_manager_readers{node="a"}')).not.toEqual([])
  })
})
