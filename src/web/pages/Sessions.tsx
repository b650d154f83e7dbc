import { call } from "../Api.js"
import { Act, Ago } from "../parts/Parts.js"
import { Scroll } from "../parts/Scroll.js"
import { link } from "../Route.js"
import type { Session } from "../Wire.js"

export interface Shown extends Session {
  readonly what: "publishes" | "reads"
}

/** Who publishes and who reads, with the means to end it. */
export const Sessions = (props: {
  readonly sessions: ReadonlyArray<Shown>
  readonly name: "path" | "node"
  readonly onKick?: () => void
}) => {
  const { name, onKick, sessions } = props
  if (sessions.length === 0) return <p class="soft">Nobody.</p>
  return (
    <Scroll>
      <table>
        <thead>
          <tr>
            <th scope="col">{name === "path" ? "Stream" : "Node"}</th>
            <th scope="col">What</th>
            <th scope="col">Kind</th>
            <th scope="col">Session</th>
            <th scope="col">Since</th>
            <th scope="col">
              <span class="hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sessions.slice(0, 200).map((session) => (
            <tr key={`${session.node} ${session.path} ${session.what} ${session.id}`}>
              <td>
                <a href={name === "path" ? link(["streams", session.path]) : link(["nodes", session.node])}>
                  {session[name]}
                </a>
              </td>
              <td>{session.what}</td>
              <td>{session.type}</td>
              <td>
                <code>{session.id === "" ? "the node pulls it" : session.id}</code>
              </td>
              <td>
                <Ago at={session.since} />
              </td>
              <td>
                {session.id !== "" && (
                  <Act
                    act="Kick"
                    label={`Kick ${session.type} ${session.id}`}
                    confirm={`End session ${session.id} of ${session.path} on ${session.node}? Its client may come back.`}
                    run={async () => {
                      await call("POST", `/sessions/${encodeURIComponent(session.id)}/kick`)
                      onKick?.()
                    }}
                  />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {sessions.length > 200 && <p class="soft">and {sessions.length - 200} more</p>}
    </Scroll>
  )
}
