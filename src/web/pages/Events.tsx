import { useMemo, useState } from "preact/hooks"
import { showNumber, showTime, showValue } from "../Format.js"
import { events } from "../Live.js"
import { Choice, NodeLink, Search } from "../parts/Parts.js"
import { type Column, VirtualList } from "../parts/VirtualList.js"
import { useStore } from "../Store.js"
import type { EventRecord } from "../Wire.js"

const pathOf = ({ event }: EventRecord): string | undefined => ("path" in event ? event.path : undefined)

/** What an event says beside its name, in a line. */
export const describe = ({ event }: EventRecord): string =>
  Object.entries(event)
    .filter(([name, value]) => name !== "event" && value !== "" && value !== undefined && name !== "delivery")
    .map(([name, value]) => (name === "path" ? String(value) : `${name}: ${showValue(value)}`))
    .join(" · ")

const columns: ReadonlyArray<Column<EventRecord>> = [
  {
    head: "Time",
    width: "5.5rem",
    cell: ({ at }) => <time dateTime={at}>{showTime(at)}</time>
  },
  { head: "Node", width: "minmax(5rem, 1fr)", cell: ({ node }) => <NodeLink id={node} /> },
  { head: "Event", width: "minmax(6rem, 1fr)", cell: ({ event }) => event.event },
  {
    head: "Details",
    width: "minmax(6rem, 4fr)",
    wide: true,
    cell: (record) => <span title={describe(record)}>{describe(record)}</span>
  }
]

export const Events = () => {
  const all = useStore(events)
  const [held, setHeld] = useState<ReadonlyArray<EventRecord> | undefined>(undefined)
  const [node, setNode] = useState("")
  const [path, setPath] = useState("")
  const [name, setName] = useState("")
  const shown = held ?? all
  const names = useMemo(() => [...new Set(shown.map(({ event }) => event.event))].sort(), [shown])
  const rows = useMemo(
    () =>
      shown.filter(
        (record) =>
          (node === "" || record.node.includes(node)) &&
          (path === "" || pathOf(record)?.includes(path) === true) &&
          (name === "" || record.event.event === name)
      ),
    [shown, node, path, name]
  )
  return (
    <>
      <h1>Events</h1>
      <div class="row card">
        <Search label="Node" value={node} onInput={setNode} />
        <Search label="Stream" value={path} onInput={setPath} />
        <Choice label="Event" value={name} all="all" options={names} onChange={setName} />
        <button
          type="button"
          aria-pressed={held !== undefined}
          onClick={() => setHeld(held === undefined ? all : undefined)}
        >
          {held === undefined ? "Pause" : "Go on"}
        </button>
        <span class="soft">
          {showNumber(rows.length)} of the last {showNumber(shown.length)}
        </span>
      </div>
      <VirtualList
        label="Events, the newest first"
        rows={rows}
        columns={columns}
        keyOf={({ cursor }) => cursor}
        empty="Nothing yet: events show up as they happen."
      />
    </>
  )
}
