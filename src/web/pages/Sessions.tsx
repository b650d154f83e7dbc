import { call } from "../Api.js"
import { Act, Ago, NodeLink, StreamLink } from "../parts/Parts.js"
import { Table, type TableColumn } from "../parts/Table.js"
import type { FleetSnapshot, Session } from "../Wire.js"

export interface Shown extends Session {
  readonly what: "publishes" | "reads"
}

/** The sessions of one node or of one stream, those that publish first. */
export const sessionsOf = (
  fleet: FleetSnapshot | undefined,
  name: "node" | "path",
  value: string
): ReadonlyArray<Shown> => {
  const of = (list: ReadonlyArray<Session> | undefined, what: Shown["what"]) =>
    (list ?? []).filter((session) => session[name] === value).map((session) => ({ ...session, what }))
  return [...of(fleet?.publishers, "publishes"), ...of(fleet?.readers, "reads")]
}

/** Who publishes and who reads, with the means to end it. */
export const Sessions = (props: {
  readonly sessions: ReadonlyArray<Shown>
  readonly name: "path" | "node"
  readonly onKick?: () => void
}) => {
  const { name, onKick, sessions } = props
  const columns: ReadonlyArray<TableColumn<Shown>> = [
    name === "path"
      ? { head: "Stream", cell: ({ path }) => <StreamLink path={path} /> }
      : { head: "Node", cell: ({ node }) => <NodeLink id={node} /> },
    { head: "What", cell: ({ what }) => what },
    { head: "Kind", cell: ({ type }) => type },
    { head: "Session", cell: ({ id }) => <code>{id === "" ? "the node pulls it" : id}</code> },
    { head: "Since", cell: ({ since }) => <Ago at={since} /> },
    {
      head: "",
      cell: ({ id, node, path, type }) =>
        id !== "" && (
          <Act
            act="Kick"
            label={`Kick ${type} ${id}`}
            confirm={`End session ${id} of ${path} on ${node}? Its client may come back.`}
            run={async () => {
              await call("POST", `/sessions/${encodeURIComponent(id)}/kick`)
              onKick?.()
            }}
          />
        )
    }
  ]
  return (
    <Table
      rows={sessions}
      columns={columns}
      keyOf={({ id, node, path, what }) => `${node} ${path} ${what} ${id}`}
      empty="Nobody."
    />
  )
}
