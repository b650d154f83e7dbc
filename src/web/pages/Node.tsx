import { useMemo } from "preact/hooks"
import { call, useLoad } from "../Api.js"
import { showBytes, showDuration, showHash, showTime } from "../Format.js"
import { snapshot } from "../Live.js"
import { Changes } from "../parts/Changes.js"
import { Act, Ago, Badge, Note, Problem, useAdmin, useNow } from "../parts/Parts.js"
import { PresenceStrip, useNodeEvents } from "../parts/Presence.js"
import { Scroll } from "../parts/Scroll.js"
import { link } from "../Route.js"
import { useStore } from "../Store.js"
import type { Command, Difference, NodeDetail } from "../Wire.js"
import { describe } from "./Events.js"
import { Sessions, type Shown } from "./Sessions.js"

const Config = ({ node }: { readonly node: NodeDetail }) => {
  const differs = node.wantedHash !== null && node.appliedHash !== node.wantedHash
  const last = useLoad<Difference>(differs ? "/config/diff" : undefined)
  return (
    <section class="card" aria-labelledby="config">
      <div class="row">
        <h2 id="config">Config</h2>
        <Badge state={node.configStatus} />
      </div>
      <dl>
        <dt>Wanted</dt>
        <dd>
          <code title={node.wantedHash ?? ""}>{showHash(node.wantedHash)}</code>{" "}
          {node.wantedSince !== null && (
            <span class="soft">
              since <Ago at={node.wantedSince} />
            </span>
          )}
        </dd>
        <dt>Applied</dt>
        <dd>
          <code title={node.appliedHash ?? ""}>{showHash(node.appliedHash)}</code>{" "}
          {node.appliedHash === null && <span class="soft">it has not said</span>}
        </dd>
      </dl>
      {node.error !== null && <Note tone="bad">{node.error}</Note>}
      {node.configProblem !== null && <Note tone="bad">It keeps what it has: {node.configProblem}</Note>}
      {node.configWarnings.map((issue) => (
        <Note tone="warn" key={`${issue.rule} ${issue.fieldText}`}>
          <code>{issue.fieldText}</code> {issue.message}; expected: {issue.expected}
        </Note>
      ))}
      {differs && last.value !== undefined && (
        <>
          <h3>The last change of the fleet's config</h3>
          <Changes changes={last.value.changes} />
        </>
      )}
      {differs && last.error?.status === 404 && (
        <p class="soft">What differs can't be shown: this manager keeps no revisions.</p>
      )}
    </section>
  )
}

const Commands = ({ commands }: { readonly commands: ReadonlyArray<Command> }) => (
  <section class="card" aria-labelledby="commands">
    <h2 id="commands">Commands</h2>
    {commands.length === 0 && <p class="soft">None lately.</p>}
    {commands.length > 0 && (
      <Scroll>
        <table>
          <thead>
            <tr>
              <th scope="col">Given</th>
              <th scope="col">What</th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            {commands.map((command) => (
              <tr key={command.id}>
                <td>
                  <Ago at={command.createdAt} />
                </td>
                <td>
                  {command.command.type} <span class="soft">{command.reason}</span>
                </td>
                <td>
                  <Badge state={command.state} /> {command.message ?? ""}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    )}
  </section>
)

export const Node = ({ id }: { readonly id: string }) => {
  const fleet = useStore(snapshot)
  const now = useNow()
  const admin = useAdmin()
  const detail = useLoad<NodeDetail>(`/nodes/${encodeURIComponent(id)}`, 3_000)
  const commands = useLoad<ReadonlyArray<Command>>(`/nodes/${encodeURIComponent(id)}/commands`, 5_000)
  const records = useNodeEvents(id, fleet?.cursor)
  const paths = fleet?.paths.filter(({ node }) => node === id) ?? []
  const sessions = useMemo((): ReadonlyArray<Shown> => {
    const of = (list: ReadonlyArray<Omit<Shown, "what">>, what: Shown["what"]) =>
      list.filter(({ node }) => node === id).map((session) => ({ ...session, what }))
    return [...of(fleet?.publishers ?? [], "publishes"), ...of(fleet?.readers ?? [], "reads")]
  }, [fleet, id])
  const node = detail.value
  const recent = records.slice(-15).reverse()
  return (
    <>
      <div class="row">
        <h1>{id}</h1>
        {node !== undefined && <Badge state={node.status} />}
        {admin && node !== undefined && (
          <Act
            act="Forget"
            danger
            confirm={`Forget node ${id}? It comes back as new with its next call.`}
            run={async () => {
              await call("DELETE", `/nodes/${encodeURIComponent(id)}`)
              location.hash = link(["nodes"])
            }}
          />
        )}
      </div>
      <Problem error={detail.error} />
      {node !== undefined && (
        <>
          <section class="card" aria-labelledby="presence">
            <h2 id="presence">Presence</h2>
            <PresenceStrip node={node} records={records} />
            <dl>
              <dt>Last seen</dt>
              <dd>
                <Ago at={node.lastSeen} /> by {node.lastSeenBy}
              </dd>
              <dt>Next sign</dt>
              <dd>
                {node.dueAt === null
                  ? "none was promised"
                  : Date.parse(node.dueAt) > now
                    ? `due in ${showDuration(Date.parse(node.dueAt) - now)}`
                    : `overdue for ${showDuration(now - Date.parse(node.dueAt))}`}
              </dd>
              <dt>Status</dt>
              <dd>
                {node.status} since <Ago at={node.statusSince} />
              </dd>
            </dl>
          </section>
          <div class="split">
            <Config node={node} />
            <section class="card" aria-labelledby="about">
              <h2 id="about">About</h2>
              <dl>
                <dt>MediaMTX</dt>
                <dd>{node.mediamtxVersion ?? "it has not said"}</dd>
                <dt>Started</dt>
                <dd>{node.startedAt === null ? "it has not said" : <Ago at={node.startedAt} />}</dd>
                <dt>Address</dt>
                <dd>{node.address ?? "–"}</dd>
                <dt>First seen</dt>
                <dd>
                  <Ago at={node.firstSeen} />
                </dd>
                <dt>Disk</dt>
                <dd>
                  {node.disk === null ? (
                    "it has not said"
                  ) : (
                    <>
                      <meter
                        min={0}
                        max={node.disk.total}
                        high={node.disk.total * 0.85}
                        optimum={0}
                        value={node.disk.total - node.disk.free}
                        aria-label="Disk in use"
                      />{" "}
                      {showBytes(node.disk.free)} of {showBytes(node.disk.total)} free
                    </>
                  )}
                </dd>
              </dl>
            </section>
          </div>
          <section class="card" aria-labelledby="paths">
            <h2 id="paths">Paths</h2>
            {paths.length === 0 && <p class="soft">None.</p>}
            {paths.length > 0 && (
              <Scroll>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Path</th>
                      <th scope="col">State</th>
                      <th scope="col">Readers</th>
                      <th scope="col">Since</th>
                    </tr>
                  </thead>
                  <tbody>
                    {paths.slice(0, 200).map((path) => (
                      <tr key={path.path}>
                        <td>
                          <a href={link(["streams", path.path])}>{path.path}</a>
                        </td>
                        <td>
                          <Badge state={path.available ? "available" : "waiting"}>
                            {path.available ? "available" : "no stream"}
                          </Badge>
                        </td>
                        <td>{path.readers}</td>
                        <td>
                          <Ago at={path.since} />
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
                {paths.length > 200 && <p class="soft">and {paths.length - 200} more</p>}
              </Scroll>
            )}
          </section>
          <section class="card" aria-labelledby="sessions">
            <h2 id="sessions">Sessions</h2>
            <Sessions sessions={sessions} name="path" onKick={commands.reload} />
          </section>
          <div class="split">
            <Commands commands={commands.value ?? []} />
            <section class="card" aria-labelledby="events">
              <h2 id="events">Events</h2>
              {recent.length === 0 && <p class="soft">None in the log.</p>}
              {recent.length > 0 && (
                <Scroll>
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Time</th>
                        <th scope="col">What</th>
                      </tr>
                    </thead>
                    <tbody>
                      {recent.map((record) => (
                        <tr key={record.cursor}>
                          <td>{showTime(record.at)}</td>
                          <td>
                            {record.event.event} <span class="soft">{describe(record)}</span>
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </Scroll>
              )}
            </section>
          </div>
        </>
      )}
    </>
  )
}
