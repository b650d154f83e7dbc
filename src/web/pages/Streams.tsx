import { useMemo, useState } from "preact/hooks"
import { showNumber } from "../Format.js"
import { snapshot } from "../Live.js"
import { PathBadge, Search, StreamLink } from "../parts/Parts.js"
import { type Column, VirtualList } from "../parts/VirtualList.js"
import { useStore } from "../Store.js"
import type { FleetSnapshot } from "../Wire.js"

interface Row {
  readonly path: string
  readonly nodes: ReadonlyArray<string>
  readonly available: number
  readonly readers: number
}

const rowsOf = (fleet: FleetSnapshot | undefined): ReadonlyArray<Row> => {
  const rows = new Map<string, { path: string; nodes: Array<string>; available: number; readers: number }>()
  for (const { available, node, path, readers } of fleet?.paths ?? []) {
    const row = rows.get(path) ?? { path, nodes: [], available: 0, readers: 0 }
    rows.set(path, row)
    row.nodes.push(node)
    row.readers += readers
    if (available) row.available++
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
  { head: "Nodes", width: "minmax(6rem, 3fr)", wide: true, cell: ({ nodes }) => nodes.join(", ") }
]

export const Streams = () => {
  const fleet = useStore(snapshot)
  const [text, setText] = useState("")
  const all = useMemo(() => rowsOf(fleet), [fleet])
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
