/**
 * A plan for people: the fields that change like a diff, then what happens on each node, the worst first, then one line.
 */
import type { FieldChange } from "../mediamtx/ConfigDiff.js"
import type { ListenerImpact, PathImpact, ReloadImpact } from "../mediamtx/ReloadImpact.js"
import type { ConfigPlan, NodePlan } from "../services/ConfigPlan.js"
import { paint, printable, table } from "./Output.js"

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`

const list = (words: ReadonlyArray<string>, most: number): string =>
  words.length <= most ? words.join(", ") : `${words.slice(0, most).join(", ")} and ${words.length - most} more`

const value = (of: unknown): string => {
  const text = typeof of === "string" && of !== "" ? of : JSON.stringify(of)
  return printable(text.length > 120 ? `${text.slice(0, 117)}...` : text)
}

/** The changed fields, each on one line. */
export const changesText = (changes: ReadonlyArray<FieldChange>, color: boolean): string =>
  table(
    changes.map(({ after, before, field, reload }) => {
      if (reload === "add") return [paint(`+ ${printable(field)}`, "green", color), value(after)]
      if (reload === "remove") return [paint(`- ${printable(field)}`, "red", color), value(before)]
      const same = value(before) === value(after)
      // What is hidden of a secret or a command may be all that differs.
      const shown = same ? `${value(after)} (changed where it is not shown)` : `${value(before)} -> ${value(after)}`
      return [paint(`~ ${printable(field)}`, "yellow", color), shown]
    })
  )

const outcomes: Readonly<Record<PathImpact["outcome"], string>> = {
  closed: "closed for good",
  recreated: "closed and opened anew",
  "publisher-dropped": "loses its publisher",
  "readers-dropped": "loses readers",
  "recording-stopped": "stops recording",
  "recording-restarted": "begins a new recording segment",
  "recording-started": "starts recording",
  updated: "changed in place",
  untouched: "untouched"
}

const who = (path: PathImpact): string => {
  const lost = [
    ...path.droppedPublishers.map(({ type }) => (type.endsWith("Source") ? type : `publisher (${type})`)),
    ...(path.droppedReaders.length === 0
      ? []
      : [
          path.keptReaders === 0
            ? count(path.droppedReaders.length, "reader")
            : `${path.droppedReaders.length} of ${count(path.droppedReaders.length + path.keptReaders, "reader")}`
        ])
  ]
  return `${lost.length === 0 ? "" : `drops ${lost.join(" and ")}`}${lost.length > 0 && path.dropsStream && path.returnsByItself ? "; comes back by itself" : ""}`
}

const pathRow = (path: PathImpact, color: boolean): ReadonlyArray<string> => [
  `  ${printable(path.path)}`,
  paint(outcomes[path.outcome], path.dropsStream ? "red" : path.droppedReaders.length > 0 ? "yellow" : "dim", color),
  printable(who(path)),
  path.because.length === 0 ? "" : paint(printable(list(path.because, 2)), "dim", color)
]

const listenerRow = (impact: ListenerImpact, color: boolean): ReadonlyArray<string> => [
  `  ${impact.listener} listener`,
  impact.outcome,
  impact.sessions + impact.connections === 0 || impact.outcome === "started"
    ? ""
    : `drops ${impact.sessions > 0 ? count(impact.sessions, "session") : count(impact.connections, "connection")}`,
  paint(printable(list(impact.because, 2)), "dim", color)
]

const impactText = (impact: ReloadImpact, color: boolean): string => {
  const touched = impact.paths.filter(({ outcome }) => outcome !== "untouched")
  const untouched = impact.paths.length - touched.length
  return [
    table([
      ...touched.map((path) => pathRow(path, color)),
      ...impact.listeners.map((listener) => listenerRow(listener, color))
    ]),
    ...(untouched === 0 ? [] : [`  ${count(untouched, "path")} untouched`]),
    ...(impact.mayEnd
      ? [
          "  may end the server: hooks that start while listeners reopen can hold their addresses; it must be restarted then"
        ]
      : []),
    ...impact.deferred.map((field) => `  ${field} takes effect only when something else restarts RTSPS`)
  ]
    .filter((part) => part !== "")
    .join("\n")
}

const heading = (plan: NodePlan, color: boolean, offline: boolean): string => {
  const notes = [
    ...(offline || plan.status === "online" ? [] : [plan.status ?? "has never called"]),
    ...(plan.inSync === false ? ["runs another config than it is given, so this is a guess"] : [])
  ]
  return `${paint(plan.node, "bold", color)}${notes.length === 0 ? "" : ` (${notes.join("; ")})`}`
}

const nodeText = (plan: NodePlan, common: string, color: boolean, offline: boolean): string => {
  const title = heading(plan, color, offline)
  switch (plan.outcome) {
    case "unchanged":
      return `${title}: no change`
    case "starts":
      return `${title}: gets its first config`
    case "keeps":
      return `${title}: ${paint("keeps what it has", "yellow", color)}, as its config can't be made with this change:\n  ${printable(
        plan.reason ?? ""
      )
        .split("\\x0a")
        .join("\n  ")}`
    case "reloads": {
      if (plan.impact === null) return title
      const own = changesText(plan.impact.changes, color)
      const differs = own === common || own === "" ? "" : `\n${own.replace(/^/gm, "  ")}`
      const text = impactText(plan.impact, color)
      return `${title}${text === "" ? ": nothing live is touched" : ""}${differs}${text === "" ? "" : `\n${text}`}`
    }
  }
}

/** One line: what drops. */
export const verdict = (plan: ConfigPlan): string => {
  const { connections, nodes, readers, streams } = plan.drops
  if (nodes === 0) return "nothing drops"
  const what =
    streams > 0
      ? `${count(streams, "stream")} with ${count(readers, "reader")}`
      : readers > 0
        ? count(readers, "reader")
        : count(connections, "connection")
  return `drops ${what} on ${count(nodes, "node")}`
}

const impactsOf = (plan: ConfigPlan): ReadonlyArray<ReloadImpact> =>
  [plan.shared, ...plan.nodes.map(({ impact }) => impact)].filter((impact) => impact !== null)

/** Whether anything live could be dropped, when it is not known what is live. */
export const couldDrop = (plan: ConfigPlan): boolean =>
  impactsOf(plan).some(({ scope }) => scope !== "none" && scope !== "nothing-drops")

/** The verdict when it is not known what is live. */
export const possibleVerdict = (plan: ConfigPlan): string => {
  const impacts = impactsOf(plan)
  if (!couldDrop(plan)) return "nothing can drop"
  if (impacts.some(({ scope }) => scope === "node")) return "drops every stream and every reader"
  const lost = impacts.flatMap(({ listeners }) =>
    listeners.filter(({ listener, outcome }) => outcome !== "started" && !internal.has(listener))
  )
  const entries = impacts.flatMap(({ entries }) =>
    entries.filter(({ outcome }) => outcome === "recreate" || outcome === "removed").map(({ entry }) => entry)
  )
  return [
    ...(lost.length === 0
      ? []
      : [`drops all sessions of ${[...new Set(lost.map(({ listener }) => listener))].join(", ")}`]),
    ...(entries.length === 0 ? [] : [`drops what is on ${printable(list([...new Set(entries)], 8))}`])
  ].join(" and ")
}
const internal: ReadonlySet<string> = new Set(["api", "metrics", "pprof", "playback"])

/** Everything but the verdict. */
export const planText = (plan: ConfigPlan, color: boolean, offline: boolean): string => {
  const common = plan.shared === null ? "" : changesText(plan.shared.changes, color)
  // Another text that means the same is reloaded as well, and nothing comes of it.
  const isQuiet = ({ impact, outcome }: NodePlan) => outcome === "unchanged" || impact?.scope === "none"
  const quiet = plan.nodes.filter(isQuiet)
  const others = plan.nodes.filter((node) => !isQuiet(node))
  const anyone = plan.shared
  const entryWords = {
    removed: "removed",
    recreate: "closed and opened anew",
    recorder: "new recording segment"
  } as const
  const shared =
    anyone === null || (!offline && plan.nodes.length > 0)
      ? ""
      : table([
          ...anyone.entries.flatMap(({ because, entry, outcome }) =>
            outcome === "added" || outcome === "hot"
              ? []
              : [
                  [
                    `  ${printable(entry)}`,
                    paint(entryWords[outcome], outcome === "recorder" ? "dim" : "red", color),
                    paint(printable(list(because, 2)), "dim", color)
                  ]
                ]
          ),
          ...anyone.listeners.map(({ because, listener, outcome }) => [
            `  ${listener} listener`,
            outcome,
            paint(printable(list(because, 2)), "dim", color)
          ])
        ])
  return [
    common === "" && others.length === 0 ? "no change" : common,
    shared,
    ...others.map((node) => nodeText(node, common, color, offline)),
    quiet.length === 0 || others.length === 0
      ? ""
      : `no change on ${list(
          quiet.map(({ node }) => node),
          8
        )}`
  ]
    .filter((part) => part !== "")
    .join("\n\n")
}
