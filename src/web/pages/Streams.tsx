import { useMemo, useState } from "preact/hooks"
import { useLoad } from "../Api.js"
import { showNumber, showRate } from "../Format.js"
import { snapshot } from "../Live.js"
import { PathBadge, Search, StreamLink } from "../parts/Parts.js"
import { type Column, VirtualList } from "../parts/VirtualList.js"
import { useStore } from "../Store.js"
import type { FleetSnapshot, Traffic } from "../Wire.js"

interface Row {
  readonly path: string
  readonly nodes: ReadonlyArray<string>
  readonly available: number
  readonly readers: number
  /** Bytes per second; undefined where no node reports them. */
  readonly received: number | undefined
  readonly sent: number | undefined
}

interface Growing extends Row {
  readonly nodes: Array<string>
  available: number
  readers: number
  received: number | undefined
  sent: number | undefined
}

const rowsOf = (fleet: FleetSnapshot | undefined, traffic: Traffic | undefined): ReadonlyArray<Row> => {
  const rows = new Map<string, Growing>()
  for (const { available, node, path, readers } of fleet?.paths ?? []) {
    const row = rows.get(path) ?? {
      ...{ path, nodes: [], available: 0, readers: 0 },
      received: undefined,
      sent: undefined
    }
    rows.set(path, row)
    row.nodes.push(node)
    row.readers += readers
    if (available) row.available++
  }
  for (const { path, receivedPerSecond, sentPerSecond } of traffic?.streams ?? []) {
    const row = rows.get(path)
    if (row === undefined) continue
    row.received = (row.received ?? 0) + receivedPerSecond
    row.sent = (row.sent ?? 0) + sentPerSecond
  }
  return [...rows.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

const columns: ReadonlyArray<Column<Row>> = [
  { head: "Stream", width: "minmax(7rem, 2fr)", cell: ({ path }) => <StreamLink path={path} /> },
  {
    head: "State",
    width: "6rem",
    cell: ({ available }) => <PathBadge available={available > 0} />
  },
  { head: "Readers", width: "5rem", cell: ({ readers }) => showNumber(readers) },
  {
    head: "In",
    width: "6rem",
    wide: true,
    cell: ({ received }) => (received === undefined ? "–" : showRate(received))
  },
  { head: "Out", width: "6rem", wide: true, cell: ({ sent }) => (sent === undefined ? "–" : showRate(sent)) },
  { head: "Nodes", width: "minmax(6rem, 3fr)", wide: true, cell: ({ nodes }) => nodes.join(", ") }
]

export const Streams = () => {
  const fleet = useStore(snapshot)
  const [text, setText] = useState("")
  const traffic = useLoad<Traffic>("/traffic?top=10000", 5_000).value
  const all = useMemo(() => rowsOf(fleet, traffic), [fleet, traffic])
  const rows = useMemo(
    () => all.filter(({ path }) => path.toLowerCase().includes(text.trim().toLowerCase())),
    [all, text]
  )
  return (
    <>
      <h1>Streams</h1>
      <div class="row card">
        <Search label="Name" value={text} onInput={setText} />
        <span class="soft" role="status">
          {showNumber(rows.length)} of {showNumber(all.length)}
        </span>
      </div>
      <VirtualList
        label="Streams"
        rows={rows}
        columns={columns}
        keyOf={({ path }) => path}
        empty={fleet === undefined ? "Asking…" : "No such stream."}
      />
    </>
  )
}
