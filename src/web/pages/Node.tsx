import { useMemo } from "preact/hooks"
import { call, useLoad } from "../Api.js"
import { showBytes, showDuration, showHash, showNumber, showTime } from "../Format.js"
import { snapshot } from "../Live.js"
import { Changes } from "../parts/Changes.js"
import { Act, Ago, Badge, Note, PathBadge, Problem, Section, StreamLink, useAdmin, useNow } from "../parts/Parts.js"
import { PresenceStrip, useNodeEvents } from "../parts/Presence.js"
import { Table, type TableColumn } from "../parts/Table.js"
import { link } from "../Route.js"
import { useStore } from "../Store.js"
import type { Command, Difference, EventRecord, FleetSnapshot, NodeDetail } from "../Wire.js"
import { describe } from "./Events.js"
import { Sessions, sessionsOf } from "./Sessions.js"

const Config = ({ node }: { readonly node: NodeDetail }) => {
  const differs = node.wantedHash !== null && node.appliedHash !== node.wantedHash
  const last = useLoad<Difference>(differs ? "/config/diff" : undefined)
  return (
    <Section id="config" title="Config" tools={<Badge state={node.configStatus} />}>
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
    </Section>
  )
}

const commandColumns: ReadonlyArray<TableColumn<Command>> = [
  { head: "Given", cell: ({ createdAt }) => <Ago at={createdAt} /> },
  {
    head: "What",
    cell: ({ command, reason }) => (
      <>
        {command.type} <span class="soft">{reason}</span>
      </>
    )
  },
  {
    head: "State",
    cell: ({ message, state }) => (
      <>
        <Badge state={state} /> {message ?? ""}
      </>
    )
  }
]

const pathColumns: ReadonlyArray<TableColumn<FleetSnapshot["paths"][number]>> = [
  { head: "Path", cell: ({ path }) => <StreamLink path={path} /> },
  { head: "State", cell: ({ available }) => <PathBadge available={available} /> },
  { head: "Readers", cell: ({ readers }) => showNumber(readers) },
  { head: "Since", cell: ({ since }) => <Ago at={since} /> }
]

const eventColumns: ReadonlyArray<TableColumn<EventRecord>> = [
  { head: "Time", cell: ({ at }) => showTime(at) },
  {
    head: "What",
    cell: (record) => (
      <>
        {record.event.event} <span class="soft">{describe(record)}</span>
      </>
    )
  }
]

export const Node = ({ id }: { readonly id: string }) => {
  const fleet = useStore(snapshot)
  const now = useNow()
  const admin = useAdmin()
  const detail = useLoad<NodeDetail>(`/nodes/${encodeURIComponent(id)}`, 3_000)
  const commands = useLoad<ReadonlyArray<Command>>(`/nodes/${encodeURIComponent(id)}/commands`, 5_000)
  const records = useNodeEvents(id, fleet?.cursor)
  const paths = fleet?.paths.filter(({ node }) => node === id) ?? []
  const sessions = useMemo(() => sessionsOf(fleet, "node", id), [fleet, id])
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
          <Section id="presence" title="Presence">
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
          </Section>
          <div class="split">
            <Config node={node} />
            <Section id="about" title="About">
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
            </Section>
          </div>
          <Section id="paths" title="Paths">
            <Table rows={paths} columns={pathColumns} keyOf={({ path }) => path} empty="None." />
          </Section>
          <Section id="sessions" title="Sessions">
            <Sessions sessions={sessions} name="path" onKick={commands.reload} />
          </Section>
          <div class="split">
            <Section id="commands" title="Commands">
              <Table
                rows={commands.value ?? []}
                columns={commandColumns}
                keyOf={(each) => each.id}
                empty="None lately."
              />
            </Section>
            <Section id="events" title="Events">
              <Table rows={recent} columns={eventColumns} keyOf={({ cursor }) => cursor} empty="None in the log." />
            </Section>
          </div>
        </>
      )}
    </>
  )
}
