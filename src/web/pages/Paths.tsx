import { useLoad } from "../Api.js"
import { showBytes, showNumber, showRate } from "../Format.js"
import { Ago, NodeLink, PathBadge, StreamLink } from "../parts/Parts.js"
import { Table, type TableColumn } from "../parts/Table.js"
import type { FleetSnapshot, Traffic } from "../Wire.js"

type Place = FleetSnapshot["paths"][number]

/** The streams of one node, or the nodes of one stream, and the bytes that each carries. */
export const Paths = (props: {
  readonly places: ReadonlyArray<Place>
  readonly of: "node" | "path"
  readonly value: string
  readonly empty: string
}) => {
  const { empty, of, places, value } = props
  const traffic = useLoad<Traffic>(`/traffic?top=1000&${of}=${encodeURIComponent(value)}`, 5_000).value
  const bytes = new Map(traffic?.streams.map((stream) => [`${stream.node} ${stream.path}`, stream]))
  const carried = (show: (stream: Traffic["streams"][number]) => string) => (place: Place) => {
    const stream = bytes.get(`${place.node} ${place.path}`)
    return stream === undefined ? "–" : show(stream)
  }
  const columns: ReadonlyArray<TableColumn<Place>> = [
    of === "node"
      ? { head: "Path", cell: ({ path }) => <StreamLink path={path} /> }
      : { head: "Node", cell: ({ node }) => <NodeLink id={node} /> },
    { head: "State", cell: ({ available }) => <PathBadge available={available} /> },
    { head: "Readers", cell: ({ readers }) => showNumber(readers) },
    {
      head: "In",
      cell: carried((each) => `${showRate(each.receivedPerSecond)}, ${showBytes(each.bytesReceived)} in all`)
    },
    { head: "Out", cell: carried((each) => `${showRate(each.sentPerSecond)}, ${showBytes(each.bytesSent)} in all`) },
    { head: "Since", cell: ({ since }) => <Ago at={since} /> }
  ]
  return (
    <>
      <Table rows={places} columns={columns} keyOf={({ node, path }) => `${node} ${path}`} empty={empty} />
      {places.length > 0 && traffic?.nodes === 0 && (
        <p class="soft">Bytes are not reported: that takes mtx-updater with MEDIAMTX_API on the node.</p>
      )}
    </>
  )
}
