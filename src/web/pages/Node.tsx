import { useEffect, useMemo, useRef } from "preact/hooks"
import { call, useLoad } from "../Api.js"
import { showBytes, showDuration, showHash, showTime } from "../Format.js"
import { snapshot } from "../Live.js"
import { Act, Ago, Badge, Note, Problem, Section, useAdmin, useNow } from "../parts/Parts.js"
import { PresenceStrip, useNodeEvents } from "../parts/Presence.js"
import { Scroll } from "../parts/Scroll.js"
import { Table, type TableColumn } from "../parts/Table.js"
import { TextDiff } from "../parts/TextDiff.js"
import { link } from "../Route.js"
import { useStore } from "../Store.js"
import type { Command, ConfigTexts, EventRecord, NodeDetail } from "../Wire.js"
import { describe } from "./Events.js"
import { Paths } from "./Paths.js"
import { Sessions, sessionsOf } from "./Sessions.js"

const Config = ({ node }: { readonly node: NodeDetail }) => {
  const { error, reload, value: texts } = useLoad<ConfigTexts>(`/nodes/${encodeURIComponent(node.id)}/config`)
  const known = useRef(`${node.wantedHash} ${node.appliedHash}`)
  useEffect(() => {
    const now = `${node.wantedHash} ${node.appliedHash}`
    if (known.current !== now) reload()
    known.current = now
  }, [node.wantedHash, node.appliedHash, reload])
  const [applied, wanted] = [texts?.applied, texts?.wanted]
  const differs = applied !== null && applied?.hash !== wanted?.hash
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
          <span class="soft">
            {node.appliedHash === null && "it has not said"}
            {typeof applied?.revision === "number" && `as of revision ${applied.revision}`}
          </span>
        </dd>
      </dl>
      {node.error !== null && <Note tone="bad">{node.error}</Note>}
      {node.configProblem !== null && <Note tone="bad">It keeps what it has: {node.configProblem}</Note>}
      {node.configWarnings.map((issue) => (
        <Note tone="warn" key={`${issue.rule} ${issue.fieldText}`}>
          <code>{issue.fieldText}</code> {issue.message}; expected: {issue.expected}
        </Note>
      ))}
      <Problem error={error} />
      {differs && typeof applied?.text === "string" && typeof wanted?.text === "string" && (
        <>
          <h3>From what it runs to what it should</h3>
          <TextDiff before={applied.text} after={wanted.text} />
        </>
      )}
      {differs && applied?.text === null && (
        <p class="soft">What it runs is of none of the newest revisions: only its hash is known.</p>
      )}
      {typeof wanted?.text === "string" && (
        <details>
          <summary>What it should run, without secrets</summary>
          <Scroll>
            <pre>{wanted.text}</pre>
          </Scroll>
        </details>
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
            <Paths places={paths} of="node" value={id} empty="None." />
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
