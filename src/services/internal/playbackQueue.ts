/**
 * The state machine of a playback job: what a request, a worker's report, an operator or time makes of it.
 *
 * Deterministic: no clock, no I/O, nothing is changed in place. All layers run it.
 *
 * Invariants
 * - The token rises with each lease, and only the holder of the newest one, while its lease lasts, can end or move the job.
 * - An ended job changes no more, unless it is put back by hand.
 * - A job that is not ended has a deadline: by time alone it comes to an end.
 *
 * @internal
 */
import type { NodeId } from "../NodeId.js"
import {
  type DoneJob,
  type EndedJob,
  type HeldJob,
  isHeld,
  type LeasedJob,
  objectNameOf,
  type PlaybackClip,
  type PlaybackFailure,
  type PlaybackFailureReason,
  type PlaybackJob,
  type PlaybackRequest,
  type PlaybackUpload,
  type QueuedJob,
  type UploadingJob
} from "../PlaybackJob.js"
import type { Coverage } from "../Recordings.js"

/** In milliseconds. */
export interface Policy {
  readonly lease: number
  readonly maxAttempts: number
  readonly expireAfter: number
}

type Common = Omit<QueuedJob, "state" | "notBefore">

/** Without what belongs to one state only. */
const commonOf = (job: PlaybackJob): Common => ({
  id: job.id,
  path: job.path,
  start: job.start,
  end: job.end,
  duration: job.duration,
  format: job.format,
  priority: job.priority,
  requestedAt: job.requestedAt,
  updatedAt: job.updatedAt,
  readyAt: job.readyAt,
  expiresAt: job.expiresAt,
  attempts: job.attempts,
  token: job.token,
  setbacks: job.setbacks,
  lastFailure: job.lastFailure,
  refusedBy: job.refusedBy,
  ...(job.upload === undefined ? {} : { upload: job.upload }),
  ...(job.abandoned === undefined ? {} : { abandoned: job.abandoned })
})

/** Nobody goes on with the upload in parts. */
const abandonUpload = (job: Common): Common => {
  const { upload, ...rest } = job
  if (upload === undefined) return job
  const { objectName, uploadId } = upload
  return { ...rest, abandoned: [...(job.abandoned ?? []), { uploadId, objectName }] }
}

/** Two requests of the same slot are the same job. */
export const slotOf = (request: Pick<PlaybackRequest, "path" | "start" | "duration" | "format">): string =>
  `${request.path} ${request.start} ${request.duration} ${request.format}`

export const request = (id: string, request: PlaybackRequest, part: number, now: number, policy: Policy): QueuedJob => {
  const end = request.start + request.duration
  const readyAt = end + part
  return {
    state: "queued",
    id,
    path: request.path,
    start: request.start,
    end,
    duration: request.duration,
    format: request.format,
    priority: request.priority,
    requestedAt: now,
    updatedAt: now,
    readyAt,
    expiresAt: Math.max(now, readyAt) + policy.expireAfter,
    attempts: 0,
    token: 0,
    setbacks: 0,
    lastFailure: null,
    refusedBy: [],
    notBefore: Math.max(now, readyAt)
  }
}

/** Higher priority first, then the older one. */
export const compare = (a: PlaybackJob, b: PlaybackJob): number =>
  b.priority - a.priority || a.requestedAt - b.requestedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

export const lease = (job: QueuedJob, node: NodeId, now: number, policy: Policy): LeasedJob => {
  const token = job.token + 1
  const common = commonOf(job)
  return {
    state: "leased",
    // Another node has another cut.
    ...(job.upload?.node === node ? common : abandonUpload(common)),
    token,
    updatedAt: now,
    lease: { node, token, objectName: objectNameOf(job.id, token), leasedAt: now, expiresAt: now + policy.lease }
  }
}

/** The job, if `token` is the one that may report now. */
export const held = (job: PlaybackJob, token: number, now: number): HeldJob | undefined =>
  isHeld(job) && job.lease.token === token && now < job.lease.expiresAt ? job : undefined

export const progress = (
  job: HeldJob,
  report: { readonly sent?: number | undefined; readonly total?: number | undefined },
  now: number,
  policy: Policy
): HeldJob => {
  const lease = { ...job.lease, expiresAt: now + policy.lease }
  if (report.sent === undefined) return { ...job, lease, updatedAt: now }
  const uploading: UploadingJob = {
    state: "uploading",
    ...commonOf(job),
    updatedAt: now,
    lease,
    sent: report.sent,
    total: report.total ?? (job.state === "uploading" ? job.total : null)
  }
  return uploading
}

/** From now on the parts of this upload are what is uploaded. */
export const beginUpload = (
  job: HeldJob,
  begun: Pick<PlaybackUpload, "uploadId" | "size" | "partSize">,
  now: number,
  policy: Policy
): HeldJob => {
  const common = {
    ...abandonUpload(commonOf(job)),
    upload: { ...begun, objectName: job.lease.objectName, node: job.lease.node },
    updatedAt: now,
    lease: { ...job.lease, expiresAt: now + policy.lease }
  }
  return job.state === "leased"
    ? { state: "leased", ...common }
    : { state: "uploading", ...common, sent: job.sent, total: job.total }
}

/** What these uploads had left was thrown away. */
export const forget = <Job extends PlaybackJob>(job: Job, uploadIds: ReadonlyArray<string>): Job => ({
  ...job,
  abandoned: (job.abandoned ?? []).filter(({ uploadId }) => !uploadIds.includes(uploadId))
})

/** `inParts`: the job's upload in parts is what became the object. */
export const complete = (
  job: HeldJob,
  clip: Pick<PlaybackClip, "size" | "mime" | "duration" | "gaps" | "etag">,
  inParts: boolean,
  now: number
): DoneJob => {
  const common = commonOf(job)
  const { upload, ...completed } = common
  return {
    state: "done",
    ...(inParts ? completed : abandonUpload(common)),
    updatedAt: now,
    endedAt: now,
    clip: {
      ...clip,
      objectName: inParts && upload !== undefined ? upload.objectName : job.lease.objectName,
      node: job.lease.node,
      token: job.lease.token
    }
  }
}

const end = (state: "failed" | "expired" | "cancelled", job: PlaybackJob, now: number): EndedJob => ({
  state,
  ...abandonUpload(commonOf(job)),
  updatedAt: now,
  endedAt: now
})

interface Failure {
  readonly reason: PlaybackFailureReason
  readonly message: string
  readonly final?: boolean | undefined
  readonly abandon?: boolean | undefined
}

/** First and longest pause after a failure, in milliseconds; each one in a row doubles it. */
const backoff: { readonly [K in PlaybackFailureReason]: readonly [first: number, longest: number] } = {
  NodeAway: [5_000, 60_000],
  NothingRecorded: [0, 0],
  StorageError: [2_000, 300_000],
  Truncated: [5_000, 60_000],
  WorkerError: [5_000, 300_000],
  // It has waited for the lease already.
  LeaseExpired: [0, 0]
}

/** No pause after a failure is longer. */
export const LONGEST_BACKOFF = 300_000

const pause = (reason: PlaybackFailureReason, setbacks: number): number => {
  const [first, longest] = backoff[reason]
  return Math.min(longest, first * 2 ** Math.min(setbacks, 30))
}

/**
 * What becomes of a job whose attempt failed. `final`: this node can't ever serve it. `others`: another node than those that
 * refused may hold the window.
 */
export const fail = (
  job: HeldJob,
  { abandon = false, final = false, message, reason }: Failure,
  others: (refusedBy: ReadonlyArray<NodeId>) => boolean,
  now: number,
  policy: Policy
): PlaybackJob => {
  const { node } = job.lease
  const lastFailure: PlaybackFailure = { reason, message, at: now, node }
  const refuses = final || reason === "NothingRecorded"
  const failed: PlaybackJob = {
    ...job,
    ...(abandon ? { upload: undefined, abandoned: abandonUpload(commonOf(job)).abandoned } : {}),
    lastFailure,
    // Waiting for a node, and asking another one, are no attempts that failed.
    attempts: job.attempts + (reason === "NodeAway" || reason === "NothingRecorded" ? 0 : 1),
    refusedBy: refuses && !job.refusedBy.includes(node) ? [...job.refusedBy, node] : job.refusedBy
  }
  if (refuses ? !others(failed.refusedBy) : failed.attempts >= policy.maxAttempts) {
    return end("failed", failed, now)
  }
  // Another node is asked at once.
  return requeue(failed, now + (refuses ? 0 : pause(reason, job.setbacks)), job.setbacks + 1, now)
}

const requeue = (job: PlaybackJob, notBefore: number, setbacks: number, now: number): PlaybackJob =>
  now >= job.expiresAt
    ? end("expired", job, now)
    : { state: "queued", ...commonOf(job), setbacks, updatedAt: now, notBefore: Math.max(notBefore, job.readyAt) }

/** A worker gives its lease back, because it stops. */
export const release = (job: HeldJob, now: number): PlaybackJob => requeue(job, now, job.setbacks, now)

export const cancel = (job: PlaybackJob, now: number): EndedJob => end("cancelled", job, now)

/** Puts an ended job back, as if it were new; its tokens go on rising. */
export const retry = (job: PlaybackJob, now: number, policy: Policy): QueuedJob => ({
  state: "queued",
  ...commonOf(job),
  updatedAt: now,
  expiresAt: Math.max(now, job.readyAt) + policy.expireAfter,
  attempts: 0,
  setbacks: 0,
  refusedBy: [],
  notBefore: Math.max(now, job.readyAt)
})

/** When time alone changes the job next. */
export const deadline = (job: PlaybackJob): number =>
  job.state === "queued" ? job.expiresAt : isHeld(job) ? job.lease.expiresAt : Number.POSITIVE_INFINITY

/** What time has made of a job; the same object when nothing. */
export const age = (job: PlaybackJob, now: number, policy: Policy): PlaybackJob => {
  if (isHeld(job)) {
    return now < job.lease.expiresAt
      ? job
      : fail(
          job,
          {
            reason: "LeaseExpired",
            message: `the worker of node "${job.lease.node}" was not heard of for ${policy.lease / 1000} s`
          },
          () => true,
          now,
          policy
        )
  }
  return job.state === "queued" && now >= job.expiresAt ? end("expired", job, now) : job
}

/** After the clock was set back: nothing waits longer than it may. The same object when nothing changes. */
export const rebase = (job: PlaybackJob, now: number, policy: Policy): PlaybackJob => {
  if (isHeld(job) && job.lease.expiresAt > now + policy.lease) {
    return { ...job, lease: { ...job.lease, expiresAt: now + policy.lease } }
  }
  if (job.state === "queued") {
    const notBefore = Math.min(job.notBefore, Math.max(job.readyAt, now + LONGEST_BACKOFF))
    if (notBefore < job.notBefore) return { ...job, notBefore }
  }
  return job
}

/** After nobody could report for a while (the manager was down): each lease gets a full term. */
export const grace = (job: PlaybackJob, now: number, policy: Policy): PlaybackJob =>
  isHeld(job) && job.lease.expiresAt < now + policy.lease
    ? { ...job, lease: { ...job.lease, expiresAt: now + policy.lease } }
    : job

/** Two nodes whose coverage differs by less are equally good. */
const EQUAL = 1_000

/**
 * Which nodes may have the job: those that hold all of the window; else those that hold most of it; `any` when the index
 * knows nothing about it, as then only asking helps.
 */
export const eligible = (
  job: Pick<QueuedJob, "refusedBy">,
  coverage: ReadonlyArray<Coverage>
): ReadonlySet<NodeId> | "any" => {
  if (coverage.length === 0) return "any"
  let complete = false
  let most = 0
  const holders = job.refusedBy.length === 0 ? coverage : coverage.filter(({ node }) => !job.refusedBy.includes(node))
  for (const holder of holders) {
    complete ||= holder.complete
    most = Math.max(most, holder.covered)
  }
  const nodes = new Set<NodeId>()
  for (const holder of holders) {
    if (complete ? holder.complete : holder.covered > most - EQUAL) nodes.add(holder.node)
  }
  return nodes
}
