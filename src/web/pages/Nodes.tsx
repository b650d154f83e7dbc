import { useMemo, useState } from "preact/hooks"
import { useLoad } from "../Api.js"
import { showNumber } from "../Format.js"
import { Ago, Badge, Choice, NodeLink, Problem, Search } from "../parts/Parts.js"
import { type Column, VirtualList } from "../parts/VirtualList.js"
import { route } from "../Route.js"
import { useStore } from "../Store.js"
import type { NodeView } from "../Wire.js"

const columns: ReadonlyArray<Column<NodeView>> = [
  { head: "Node", width: "minmax(7rem, 2fr)", cell: ({ id }) => <NodeLink id={id} /> },
  { head: "Status", width: "5.5rem", cell: ({ status }) => <Badge state={status} /> },
  { head: "Config", width: "5.5rem", cell: ({ configStatus }) => <Badge state={configStatus} /> },
  { head: "MediaMTX", width: "6rem", wide: true, cell: ({ mediamtxVersion }) => mediamtxVersion ?? "–" },
  { head: "Address", width: "9rem", wide: true, cell: ({ address }) => address ?? "–" },
  { head: "Last seen", width: "9rem", wide: true, cell: ({ lastSeen }) => <Ago at={lastSeen} /> },
  {
    head: "Problem",
    width: "minmax(4rem, 2fr)",
    wide: true,
    cell: ({ error }) => <span title={error ?? ""}>{error ?? ""}</span>
  }
]

const states = [
  ["Node", ["online", "stale", "offline"]],
  ["Config", ["applied", "wanted", "failed", "drifted", "unknown"]]
] as const

export const Nodes = () => {
  const { query } = useStore(route)
  const nodes = useLoad<ReadonlyArray<NodeView>>("/nodes", 5_000)
  const [text, setText] = useState("")
  const [status, setStatus] = useState(query.get("status") ?? "")
  const rows = useMemo(() => {
    const wanted = text.trim().toLowerCase()
    return (nodes.value ?? []).filter(
      (node) =>
        (status === "" || node.status === status || node.configStatus === status) &&
        (wanted === "" || node.id.toLowerCase().includes(wanted) || (node.address ?? "").includes(wanted))
    )
  }, [nodes.value, text, status])
  return (
    <>
      <h1>Nodes</h1>
      <div class="row card">
        <Search label="Name or address" value={text} onInput={setText} />
        <Choice label="State" value={status} all="all" options={states} onChange={setStatus} />
        <span class="soft" role="status">
          {showNumber(rows.length)} of {showNumber(nodes.value?.length ?? 0)}
        </span>
      </div>
      <Problem error={nodes.error} />
      <VirtualList
        label="Nodes"
        rows={rows}
        columns={columns}
        keyOf={({ id }) => id}
        empty={nodes.value === undefined ? "Asking…" : "No such node."}
      />
    </>
  )
}
