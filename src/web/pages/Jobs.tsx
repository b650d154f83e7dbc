import { useState } from "preact/hooks"
import { call, useLoad } from "../Api.js"
import { showBytes, showDateTime, showDuration } from "../Format.js"
import { Act, Ago, Badge, Note, Problem } from "../parts/Parts.js"
import { Scroll } from "../parts/Scroll.js"
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
  return (
    <>
      <h1>Clips</h1>
      <div class="row card">
        <label class="field">
          State
          <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
            <option value="">all</option>
            {["queued", "leased", "uploading", "done", "failed", "expired", "cancelled"].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      {jobs.error?.status === 404 ? (
        <Note>This manager has no storage for clips: {jobs.error.message}</Note>
      ) : (
        <Problem error={jobs.error} />
      )}
      {jobs.value !== undefined && (
        <section class="card" aria-label="Jobs, the newest first">
          {jobs.value.length === 0 && <p class="soft">None. Ask for one from a stream's recordings.</p>}
          {jobs.value.length > 0 && (
            <Scroll>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Stream</th>
                    <th scope="col">Window</th>
                    <th scope="col">Asked for</th>
                    <th scope="col">State</th>
                    <th scope="col">
                      <span class="hidden">Actions</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {jobs.value.map((job) => (
                    <tr key={job.id}>
                      <td>
                        <a href={link(["recordings"], { path: job.path })}>{job.path}</a>
                      </td>
                      <td>
                        {showDateTime(job.start)} <span class="soft">{showDuration(job.duration)}</span>
                      </td>
                      <td>
                        <Ago at={job.requestedAt} />
                      </td>
                      <td>
                        <JobProgress job={job} />
                      </td>
                      <td>
                        <JobActions job={job} onChange={jobs.reload} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          )}
        </section>
      )}
    </>
  )
}
