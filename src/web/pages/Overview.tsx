import { useLoad } from "../Api.js"
import { showNumber } from "../Format.js"
import { events, rate, snapshot } from "../Live.js"
import { Ago, Badge, Problem } from "../parts/Parts.js"
import { RateChart } from "../parts/RateChart.js"
import { Scroll } from "../parts/Scroll.js"
import { link } from "../Route.js"
import { useStore } from "../Store.js"
import type { NodeView } from "../Wire.js"
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
      <section class="card" aria-labelledby="rate">
        <h2 id="rate">Events per second</h2>
        <RateChart />
        <p class="soft">{showNumber(perMinute)} in the last minute</p>
      </section>
      <div class="split">
        <section class="card" aria-labelledby="trouble">
          <h2 id="trouble">Nodes to look at</h2>
          <Problem error={nodes.error} />
          {nodes.value !== undefined && troubled.length === 0 && <p class="soft">None: all are online.</p>}
          {troubled.length > 0 && (
            <Scroll>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Node</th>
                    <th scope="col">Status</th>
                    <th scope="col">Config</th>
                    <th scope="col">Last seen</th>
                  </tr>
                </thead>
                <tbody>
                  {troubled.slice(0, 10).map((node) => (
                    <tr key={node.id}>
                      <td>
                        <a href={link(["nodes", node.id])}>{node.id}</a>
                      </td>
                      <td>
                        <Badge state={node.status} />
                      </td>
                      <td>
                        <Badge state={node.configStatus} />
                      </td>
                      <td>
                        <Ago at={node.lastSeen} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          )}
          {troubled.length > 10 && <p class="soft">and {showNumber(troubled.length - 10)} more</p>}
        </section>
        <section class="card" aria-labelledby="recent">
          <h2 id="recent">Just now</h2>
          {recent.length === 0 && <p class="soft">Nothing has happened since this page was opened.</p>}
          {recent.length > 0 && (
            <Scroll>
              <table>
                <thead>
                  <tr>
                    <th scope="col">When</th>
                    <th scope="col">Node</th>
                    <th scope="col">What</th>
                  </tr>
                </thead>
                <tbody>
                  {recent.map((record) => (
                    <tr key={record.cursor}>
                      <td>
                        <Ago at={record.at} />
                      </td>
                      <td>
                        <a href={link(["nodes", record.node])}>{record.node}</a>
                      </td>
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
  )
}
