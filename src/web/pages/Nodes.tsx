import { useMemo, useState } from "preact/hooks"
import { useLoad } from "../Api.js"
import { showNumber } from "../Format.js"
import { Ago, Badge, Problem } from "../parts/Parts.js"
import { type Column, VirtualList } from "../parts/VirtualList.js"
import { link, route } from "../Route.js"
import { useStore } from "../Store.js"
import type { NodeView } from "../Wire.js"

const columns: ReadonlyArray<Column<NodeView>> = [
  { head: "Node", width: "minmax(7rem, 2fr)", cell: ({ id }) => <a href={link(["nodes", id])}>{id}</a> },
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
        <label class="field">
          Name or address
          <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <label class="field">
          State
          <select value={status} onChange={(event) => setStatus(event.currentTarget.value)}>
            <option value="">all</option>
            <optgroup label="Node">
              {["online", "stale", "offline"].map((name) => (
                <option key={name}>{name}</option>
              ))}
            </optgroup>
            <optgroup label="Config">
              {["applied", "wanted", "failed", "drifted", "unknown"].map((name) => (
                <option key={name}>{name}</option>
              ))}
            </optgroup>
          </select>
        </label>
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
