import { useState } from "preact/hooks"
import { call, useLoad } from "../Api.js"
import { showBytes, showDateTime, showDuration } from "../Format.js"
import { Act, Ago, Badge, Choice, Problem } from "../parts/Parts.js"
import { Table, type TableColumn } from "../parts/Table.js"
import { link } from "../Route.js"
import type { Job } from "../Wire.js"

const ended: ReadonlySet<string> = new Set(["done", "failed", "expired", "cancelled"])
export const isEnded = ({ state }: Job): boolean => ended.has(state)

/** How far a job is. */
export const JobProgress = ({ job }: { readonly job: Job }) => (
  <>
    <Badge state={job.state} />{" "}
    {job.state === "uploading" && (
      <>
        <progress max={job.total ?? undefined} value={job.sent ?? undefined} aria-label="Uploaded" />{" "}
        {showBytes(job.sent ?? 0)}
        {job.total !== null && ` of ${showBytes(job.total)}`}
      </>
    )}
    {job.node !== null && <span class="soft"> by {job.node}</span>}
    {job.lastFailure !== null && !["done", "cancelled"].includes(job.state) && (
      <span class="soft"> {job.lastFailure.message}</span>
    )}
  </>
)

/** What can be done with a job. */
export const JobActions = ({ job, onChange }: { readonly job: Job; readonly onChange: () => void }) => (
  <div class="row">
    {job.clip !== null && (
      <a class="button" href={job.clip.download.url} download={job.clip.filename}>
        Download <span class="hidden">{job.path}</span> {showBytes(job.clip.size)}
      </a>
    )}
    {!isEnded(job) && (
      <Act
        act="Cancel"
        label={`Cancel the clip of ${job.path}`}
        confirm={`Cancel the clip of ${job.path}?`}
        run={async () => {
          await call("DELETE", `/playback/jobs/${job.id}`)
          onChange()
        }}
      />
    )}
    {isEnded(job) && job.state !== "done" && (
      <Act
        act="Retry"
        label={`Retry the clip of ${job.path}`}
        run={async () => {
          await call("POST", `/playback/jobs/${job.id}/retry`)
          onChange()
        }}
      />
    )}
  </div>
)

export const Jobs = () => {
  const [state, setState] = useState("")
  const jobs = useLoad<ReadonlyArray<Job>>(`/playback/jobs?limit=200${state === "" ? "" : `&state=${state}`}`, 2_000)
  const columns: ReadonlyArray<TableColumn<Job>> = [
    { head: "Stream", cell: ({ path }) => <a href={link(["recordings"], { path })}>{path}</a> },
    {
      head: "Window",
      cell: ({ duration, start }) => (
        <>
          {showDateTime(start)} <span class="soft">{showDuration(duration)}</span>
        </>
      )
    },
    { head: "Asked for", cell: ({ requestedAt }) => <Ago at={requestedAt} /> },
    { head: "State", cell: (job) => <JobProgress job={job} /> },
    { head: "", cell: (job) => <JobActions job={job} onChange={jobs.reload} /> }
  ]
  return (
    <>
      <h1>Clips</h1>
      <div class="row card">
        <Choice
          label="State"
          value={state}
          all="all"
          options={["queued", "leased", "uploading", ...ended]}
          onChange={setState}
        />
      </div>
      <Problem error={jobs.error} />
      {jobs.value !== undefined && (
        <section class="card" aria-label="Jobs, the newest first">
          <Table
            rows={jobs.value}
            columns={columns}
            keyOf={({ id }) => id}
            empty="None. Ask for one from a stream's recordings."
          />
        </section>
      )}
    </>
  )
}
