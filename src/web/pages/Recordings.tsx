import { useEffect, useState } from "preact/hooks"
import { call, useLoad } from "../Api.js"
import { showDateTime, showDuration, showNumber, toLocalInput } from "../Format.js"
import { Badge, Note, Problem, Section, useAdmin } from "../parts/Parts.js"
import { Table, type TableColumn } from "../parts/Table.js"
import { Timeline, type Window } from "../parts/Timeline.js"
import { link, route } from "../Route.js"
import { useStore } from "../Store.js"
import type { Job, Timeline as Recorded, RecordedPath } from "../Wire.js"
import { isEnded, JobActions, JobProgress } from "./Jobs.js"

const HOUR = 3_600_000
const spans = [
  { name: "last hour", millis: HOUR },
  { name: "last 6 hours", millis: 6 * HOUR },
  { name: "last day", millis: 24 * HOUR },
  { name: "last week", millis: 7 * 24 * HOUR },
  { name: "everything", millis: 0 }
]
const LONGEST = 24 * HOUR

/** A clip on its way, asked for again and again until it is there. */
const Clip = ({ first }: { readonly first: Job }) => {
  const [over, setOver] = useState(isEnded(first))
  const { error, reload, value: job = first } = useLoad<Job>(`/playback/jobs/${first.id}`, over ? undefined : 1_000)
  useEffect(() => setOver(isEnded(job)), [job])
  return (
    <section class="card" aria-label={`Clip of ${job.path}`}>
      <div class="row">
        <span>
          {showDateTime(job.start)}, {showDuration(job.duration)}: <JobProgress job={job} />
        </span>
        <JobActions job={job} onChange={reload} />
      </div>
      <Problem error={error} />
      {job.clip !== null && (
        <>
          {job.clip.gaps.length > 0 && <Note tone="warn">{job.clip.gaps.length} gaps are left out of it.</Note>}
          {/* biome-ignore lint/a11y/useMediaCaption: what cameras record has none */}
          <video controls src={job.clip.download.url} preload="metadata" />
        </>
      )}
    </section>
  )
}

const Path = ({ path, known }: { readonly path: string; readonly known: RecordedPath | undefined }) => {
  const admin = useAdmin()
  const [span, setSpan] = useState(6 * HOUR)
  const [now, setNow] = useState(Date.now())
  const [window, setWindow] = useState<Window | undefined>(undefined)
  const [clips, setClips] = useState<ReadonlyArray<Job>>([])
  const [error, setError] = useState<unknown>(undefined)
  const begin = span === 0 && known !== undefined ? Date.parse(known.start) : now - (span || 24 * HOUR)
  const limits = new URLSearchParams({
    path,
    from: new Date(begin).toISOString(),
    to: new Date(now).toISOString()
  })
  const recorded = useLoad<Recorded>(`/recordings?${limits}`)
  const missing = (recorded.value?.gaps ?? []).reduce(
    (sum, gap) => sum + Date.parse(gap.end) - Date.parse(gap.start),
    0
  )
  const duration = window === undefined ? 0 : Math.round(window.end - window.start)
  const ask = async (event: SubmitEvent) => {
    event.preventDefault()
    if (window === undefined) return
    setError(undefined)
    try {
      const body = { path, start: new Date(Math.round(window.start)).toISOString(), duration }
      const job = await call<Job>("POST", "/playback/requests", { body })
      setClips((before) => [job, ...before.filter(({ id }) => id !== job.id)])
    } catch (problem) {
      setError(problem)
    }
  }
  const edit = (name: "start" | "end") => (event: Event) => {
    const value = Date.parse((event.currentTarget as HTMLInputElement).value)
    if (Number.isNaN(value)) return
    setWindow((before) => ({ start: begin, end: now, ...before, [name]: value }))
  }
  return (
    <>
      <section class="card" aria-labelledby="line">
        <div class="row">
          <h2 id="line">{path}</h2>
          <label class="field">
            Shown
            <select
              value={String(span)}
              onChange={(event) => {
                setSpan(Number(event.currentTarget.value))
                setNow(Date.now())
              }}
            >
              {spans.map(({ millis, name }) => (
                <option key={name} value={String(millis)}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <button type="button" onClick={() => setNow(Date.now())}>
            Now
          </button>
        </div>
        <Problem error={recorded.error} />
        {recorded.value !== undefined && (
          <>
            <div class="row soft">
              <span>{showDateTime(begin)}</span>
              <span class="grow" />
              <span>{showDateTime(now)}</span>
            </div>
            <Timeline recorded={recorded.value} from={begin} to={now} window={window} onWindow={setWindow} />
            <p class="soft">
              Above: what any node has. Below it, node by node:{" "}
              {recorded.value.nodes.map(({ node }) => node).join(", ") || "none"}.{" "}
              {showNumber(recorded.value.gaps.length)} gaps, {showDuration(missing)} in all.
            </p>
          </>
        )}
        {admin && (
          <form class="row" onSubmit={ask}>
            <label class="field">
              From
              <input
                type="datetime-local"
                step="1"
                required
                value={window === undefined ? "" : toLocalInput(window.start)}
                onChange={edit("start")}
              />
            </label>
            <label class="field">
              To
              <input
                type="datetime-local"
                step="1"
                required
                value={window === undefined ? "" : toLocalInput(window.end)}
                onChange={edit("end")}
              />
            </label>
            <button type="submit" class="main" disabled={duration < 1 || duration > LONGEST}>
              Get the clip
            </button>
            <span class="soft" role="status">
              {window === undefined
                ? "Drag across the line, or fill in the times."
                : duration > LONGEST
                  ? "A clip is a day at most."
                  : showDuration(duration)}
            </span>
          </form>
        )}
        <Problem error={error} />
      </section>
      {clips.map((job) => (
        <Clip key={job.id} first={job} />
      ))}
      {recorded.value !== undefined && (
        <Section id="gaps" title="Gaps">
          <Table rows={recorded.value.gaps} columns={gaps} keyOf={({ start }) => start} most={50} empty="None." />
        </Section>
      )}
    </>
  )
}

const gaps: ReadonlyArray<TableColumn<Recorded["gaps"][number]>> = [
  { head: "From", cell: ({ start }) => showDateTime(start) },
  { head: "To", cell: ({ end }) => showDateTime(end) },
  { head: "How long", cell: ({ end, start }) => showDuration(Date.parse(end) - Date.parse(start)) }
]

export const Recordings = () => {
  const { query } = useStore(route)
  const paths = useLoad<ReadonlyArray<RecordedPath>>("/recordings/paths", 30_000)
  const path = query.get("path") ?? undefined
  const columns: ReadonlyArray<TableColumn<RecordedPath>> = [
    {
      head: "Stream",
      cell: (each) => (
        <a href={link(["recordings"], { path: each.path })} aria-current={each.path === path ? "true" : undefined}>
          {each.path}
        </a>
      )
    },
    { head: "From", cell: ({ start }) => showDateTime(start) },
    { head: "To", cell: ({ end, open }) => (open ? <Badge state="live">being recorded</Badge> : showDateTime(end)) },
    { head: "Nodes", cell: ({ nodes }) => nodes.join(", ") }
  ]
  return (
    <>
      <h1>Recordings</h1>
      <Problem error={paths.error} />
      <Section id="recorded" title="Streams with recordings">
        {paths.value !== undefined && (
          <Table
            rows={paths.value}
            columns={columns}
            keyOf={(each) => each.path}
            most={500}
            empty="None that a node has told of."
          />
        )}
      </Section>
      {path !== undefined && <Path key={path} path={path} known={paths.value?.find((each) => each.path === path)} />}
    </>
  )
}
