import { useLoad } from "../Api.js"
import { showBytes, showNumber, showRate } from "../Format.js"
import { events, rate, SECONDS, snapshot, traffic } from "../Live.js"
import { Chart, type Line } from "../parts/Chart.js"
import { Ago, Badge, NodeLink, Problem, Section } from "../parts/Parts.js"
import { Table, type TableColumn } from "../parts/Table.js"
import { link } from "../Route.js"
import { useStore } from "../Store.js"
import type { EventRecord, NodeView } from "../Wire.js"
import { describe } from "./Events.js"

const Figure = (props: {
  readonly name: string
  readonly value: number | string
  readonly to: string
  readonly more?: string
}) => (
  <a class="card" href={props.to}>
    <div class="soft">{props.name}</div>
    <div class="big">{typeof props.value === "string" ? props.value : showNumber(props.value)}</div>
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

const rateLines: ReadonlyArray<Line> = [{ color: "--accent" }]
const rateData = (): [Array<number>, Array<number>] => {
  const { at, counts } = rate.value
  return [counts.map((_, i) => at - counts.length + 1 + i), [...counts]]
}

const byteLines: ReadonlyArray<Line> = [{ color: "--good", dash: [6, 4] }, { color: "--accent" }]
const byteData = (): [Array<number>, Array<number>, Array<number>] => {
  const { at, received, sent } = traffic.value
  return [[...at], [...received], [...sent]]
}
const MINUTES = `the last ${SECONDS / 60} minutes`

const Bytes = () => {
  const { now } = useStore(traffic)
  return (
    <Section id="bytes" title="Bytes per second">
      <Chart
        label={`Bytes per second, ${MINUTES}`}
        source={traffic}
        data={byteData}
        lines={byteLines}
        least={1024}
        show={showBytes}
        axis={80}
      />
      <p class="soft">
        {now === undefined
          ? "Asking…"
          : now.nodes === 0
            ? "No node reports its bytes: it takes mtx-updater with MEDIAMTX_API on the node."
            : `In (dashed) ${showRate(now.receivedPerSecond)}, out ${showRate(now.sentPerSecond)}, as ${showNumber(now.nodes)} nodes report.`}
      </p>
    </Section>
  )
}

export const Overview = () => {
  const fleet = useStore(snapshot)
  const recent = useStore(events).slice(0, 8)
  const { counts } = useStore(rate)
  const bytes = useStore(traffic).now
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
        <Figure
          name="Bytes out"
          value={bytes === undefined || bytes.nodes === 0 ? "–" : showRate(bytes.sentPerSecond)}
          to={link(["streams"])}
          more={bytes === undefined || bytes.nodes === 0 ? "not reported" : `${showRate(bytes.receivedPerSecond)} in`}
        />
        <Figure name="Connections" value={fleet?.connections.length ?? 0} to={link(["events"])} />
      </div>
      <div class="split">
        <Section id="rate" title="Events per second">
          <Chart
            label={`Events per second, ${MINUTES}`}
            source={rate}
            data={rateData}
            lines={rateLines}
            least={5}
            show={showNumber}
            axis={50}
          />
          <p class="soft">{showNumber(perMinute)} in the last minute</p>
        </Section>
        <Bytes />
      </div>
      <div class="split">
        <Section id="trouble" title="Nodes to look at">
          <Problem error={nodes.error} />
          {nodes.value !== undefined && (
            <Table rows={troubled} columns={trouble} keyOf={({ id }) => id} most={10} empty="None: all are online." />
          )}
        </Section>
        <Section id="recent" title="Just now">
          <Table rows={recent} columns={news} keyOf={({ cursor }) => cursor} empty="Nothing has happened yet." />
        </Section>
      </div>
    </>
  )
}
