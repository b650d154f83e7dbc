import { useLoad } from "../Api.js"
import { showNumber } from "../Format.js"
import { events, rate, snapshot } from "../Live.js"
import { Ago, Badge, NodeLink, Problem, Section } from "../parts/Parts.js"
import { RateChart } from "../parts/RateChart.js"
import { Table, type TableColumn } from "../parts/Table.js"
import { link } from "../Route.js"
import { useStore } from "../Store.js"
import type { EventRecord, NodeView } from "../Wire.js"
import { describe } from "./Events.js"

const Figure = (props: {
  readonly name: string
  readonly value: number
  readonly to: string
  readonly more?: string
}) => (
  <a class="card" href={props.to}>
    <div class="soft">{props.name}</div>
    <div class="big">{showNumber(props.value)}</div>
    <div class="soft">{props.more ?? "\u00a0"}</div>
  </a>
)

const trouble: ReadonlyArray<TableColumn<NodeView>> = [
  { head: "Node", cell: ({ id }) => <NodeLink id={id} /> },
  { head: "Status", cell: ({ status }) => <Badge state={status} /> },
  { head: "Config", cell: ({ configStatus }) => <Badge state={configStatus} /> },
  { head: "Last seen", cell: ({ lastSeen }) => <Ago at={lastSeen} /> }
]

const news: ReadonlyArray<TableColumn<EventRecord>> = [
  { head: "When", cell: ({ at }) => <Ago at={at} /> },
  { head: "Node", cell: ({ node }) => <NodeLink id={node} /> },
  {
    head: "What",
    cell: (record) => (
      <>
        {record.event.event} <span class="soft">{describe(record)}</span>
      </>
    )
  }
]

export const Overview = () => {
  const fleet = useStore(snapshot)
  const recent = useStore(events).slice(0, 8)
  const { counts } = useStore(rate)
  const nodes = useLoad<ReadonlyArray<NodeView>>("/nodes", 10_000)
  const count = (status: string) => fleet?.nodes.filter((node) => node.status === status).length ?? 0
  const streams = new Set(fleet?.paths.filter(({ available }) => available).map(({ path }) => path))
  const lately = counts.slice(-61, -1)
  const perMinute = lately.reduce((sum, n) => sum + n, 0)
  const troubled = (nodes.value ?? []).filter(
    ({ configStatus, status }) => status !== "online" || configStatus === "failed" || configStatus === "drifted"
  )
  return (
    <>
      <h1>Fleet</h1>
      <div class="cards">
        <Figure name="Nodes online" value={count("online")} to={link(["nodes"], { status: "online" })} />
        <Figure name="Stale" value={count("stale")} to={link(["nodes"], { status: "stale" })} />
        <Figure name="Offline" value={count("offline")} to={link(["nodes"], { status: "offline" })} />
        <Figure
          name="Streams"
          value={streams.size}
          to={link(["streams"])}
          more={`${showNumber(fleet?.publishers.length ?? 0)} publishers`}
        />
        <Figure name="Readers" value={fleet?.readers.length ?? 0} to={link(["streams"])} />
        <Figure name="Connections" value={fleet?.connections.length ?? 0} to={link(["events"])} />
      </div>
      <Section id="rate" title="Events per second">
        <RateChart />
        <p class="soft">{showNumber(perMinute)} in the last minute</p>
      </Section>
      <div class="split">
        <Section id="trouble" title="Nodes to look at">
          <Problem error={nodes.error} />
          {nodes.value !== undefined && (
            <Table rows={troubled} columns={trouble} keyOf={({ id }) => id} most={10} empty="None: all are online." />
          )}
        </Section>
        <Section id="recent" title="Just now">
          <Table
            rows={recent}
            columns={news}
            keyOf={({ cursor }) => cursor}
            empty="Nothing has happened since this page was opened."
          />
        </Section>
      </div>
    </>
  )
}
