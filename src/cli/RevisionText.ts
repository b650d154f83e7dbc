/** Revisions, differences and explanations for people. */
import { parseField } from "../mediamtx/ConfigIssue.js"
import type { ExplainedLayer, Explanation } from "../services/ConfigExplain.js"
import type { RevisionInfo } from "../services/ConfigRevisions.js"
import type { DocumentChange } from "../services/FleetDiff.js"
import { paint, printable, table } from "./Output.js"

const value = (of: unknown): string => {
  const text = typeof of === "string" && of !== "" ? of : JSON.stringify(of)
  return printable(text.length > 120 ? `${text.slice(0, 117)}...` : text)
}

/** What differs, each on one line. */
export const differenceText = (changes: ReadonlyArray<DocumentChange>, color: boolean): string =>
  table(
    changes.map(({ after, before, change, field }) => {
      if (change === "added") return [paint(`+ ${printable(field)}`, "green", color), value(after)]
      if (change === "removed") return [paint(`- ${printable(field)}`, "red", color), value(before)]
      const shown =
        value(before) === value(after)
          ? `${value(after)} (changed where it is not shown)`
          : `${value(before)} -> ${value(after)}`
      return [paint(`~ ${printable(field)}`, "yellow", color), shown]
    })
  )

const whatChanged = ({ changes: { fields, total } }: RevisionInfo): string => {
  if (total === 0) return "order of fields"
  const [first = ""] = fields
  return total === 1 ? printable(first) : `${printable(first)} and ${total - 1} more`
}

const noteOf = (revision: RevisionInfo): string => {
  const back = revision.restores === null ? [] : [`back to ${revision.restores}`]
  return [...back, ...(revision.note === "" ? [] : [printable(revision.note)])].join(": ")
}

/** A table, the newest first. */
export const revisionsText = (revisions: ReadonlyArray<RevisionInfo>, color: boolean): string =>
  table([
    ["REVISION", "WHEN", "AUTHOR", "NOTE", "CHANGED"].map((title) => paint(title, "bold", color)),
    ...revisions.map((revision) => [
      String(revision.revision),
      new Date(revision.at).toISOString().replace(/\.\d+Z$/, "Z"),
      printable(revision.author),
      noteOf(revision),
      whatChanged(revision)
    ])
  ])

/** Where a layer stands, as far as that is known. */
export type PlaceOf = (layer: ExplainedLayer, field: ReadonlyArray<string>) => string | undefined

const titles = {
  mediamtx: () => "MediaMTX's default",
  base: () => "base",
  overlay: (name: string) => `overlay ${name}`,
  groups: () => "groups",
  node: (name: string) => `node ${name}`,
  manager: () => "the manager"
} as const

/** The value, and below it the layers, the one that counts on top. */
export const explanationText = (found: Explanation, placeOf: PlaceOf, color: boolean): string => {
  const counting = found.layers.find(({ counts }) => counts)
  const head =
    counting?.layer === "manager"
      ? `${printable(found.field)} is set by the manager`
      : `${printable(found.field)}: ${value(found.value)}`
  const rows = [...found.layers].reverse().map((layer) => {
    const title = printable(titles[layer.layer](layer.name ?? ""))
    const place = placeOf(layer, parseField(layer.field))
    const cells = [
      `${layer.counts ? "*" : " "} ${title}`,
      layer.layer === "manager" ? "" : value(layer.value),
      layer.field === found.field ? "" : printable(layer.field),
      place === undefined ? "" : printable(place)
    ]
    return cells.map((cell) => paint(cell, layer.counts ? "bold" : "dim", color))
  })
  const labels = Object.entries(found.labels)
    .filter(([label]) => label !== "node")
    .map(([label, text]) => `${label}=${text}`)
  return [
    head,
    `on node ${found.node}${labels.length === 0 ? "" : ` (${labels.map(printable).join(", ")})`}`,
    "",
    table(rows)
  ].join("\n")
}
