/** Clips over HTTP in end-to-end tests: asked for, waited for, downloaded, and looked at. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect } from "vitest"
import { eventually } from "../../support/MediaMTX.js"
import { type Look, look } from "./Timecode.js"

/** The built worker. */
export const workerPath = fileURLToPath(new URL("../../../dist/sidecar/mtx-playback.js", import.meta.url))

export interface Span {
  readonly start: string
  readonly end: string
}

export interface Clip {
  readonly id: string
  readonly duration: number
  readonly start: string
  readonly end: string
  readonly size: number
  readonly bucket: string
  readonly filename: string
  readonly mime: string
  readonly url: string
  readonly gaps: ReadonlyArray<Span>
  readonly download: { readonly url: string }
}

export interface Job {
  readonly id: string
  readonly state: string
  readonly node: string | null
  readonly attempts: number
  readonly lastFailure: { readonly reason: string; readonly message: string; readonly node: string } | null
  readonly clip: Clip | null
}

export interface Timeline {
  readonly spans: ReadonlyArray<Span & { readonly open: boolean; readonly nodes: ReadonlyArray<string> }>
  readonly gaps: ReadonlyArray<Span>
  readonly nodes: ReadonlyArray<{ readonly node: string; readonly spans: ReadonlyArray<Span> }>
}

/** Epoch milliseconds. */
export interface Recorded {
  readonly start: number
  readonly end: number
}

export const time = (iso: string): number => Date.parse(iso)

export const within = (actual: number, wanted: number, tolerance: number): void =>
  expect(Math.abs(actual - wanted), `${actual} is not ${wanted} ± ${tolerance}`).toBeLessThanOrEqual(tolerance)

/** What MediaMTX's playback server lists of a path. Rejects while it can't. */
export const listRecorded = async (
  port: number,
  path: string,
  authorization?: string
): Promise<ReadonlyArray<Recorded>> => {
  const headers = authorization === undefined ? {} : { authorization }
  const response = await fetch(`http://127.0.0.1:${port}/list?path=${path}`, { headers })
  if (!response.ok) throw new Error(`/list: ${response.status} ${await response.text()}`)
  // MediaMTX's own answer.
  const spans = (await response.json()) as ReadonlyArray<{ readonly start: string; readonly duration: number }>
  return spans.map(({ duration, start }) => ({ start: time(start), end: time(start) + duration * 1000 }))
}

/** Downloads a clip by its signed URL into `folder`. */
export const download = async (clip: Pick<Clip, "download" | "filename" | "size">, folder: string): Promise<string> => {
  const response = await fetch(clip.download.url)
  expect(response.status).toBe(200)
  expect(response.headers.get("content-type")).toBe("video/mp4")
  const bytes = Buffer.from(await response.arrayBuffer())
  expect(bytes.length).toBe(clip.size)
  const file = join(folder, clip.filename)
  writeFileSync(file, bytes)
  return file
}

export interface Clips {
  /** Asks for a window; the job. */
  readonly request: (from: number, duration: number, format?: string) => Promise<Job>
  readonly job: (id: string) => Promise<Job>
  /** The job, when it has ended in one way or the other. */
  readonly ended: (id: string, ms?: number) => Promise<Job>
  /** The job, which must come to a clip. */
  readonly done: (id: string, ms?: number) => Promise<Job & { readonly clip: Clip }>
  /** Asks for a window, waits for its clip, and looks at it. */
  readonly get: (
    from: number,
    duration: number,
    format?: string
  ) => Promise<{ readonly job: Job; readonly clip: Clip; readonly seen: Look }>
  readonly see: (clip: Clip) => Promise<Look>
}

/** Clips of one path. `manager` is where it is right now. */
export const clipsOf = (
  path: string,
  manager: () => { readonly url: string; readonly key: string },
  options: {
    /** Where downloads go. */
    readonly folder: string
    /** What to add to a failure. */
    readonly log?: () => string
  }
): Clips => {
  const ask = async (route: string, status: number, body?: unknown): Promise<Job> => {
    const { key, url } = manager()
    const response = await fetch(`${url}${route}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    expect(response.status, text).toBe(status)
    // The API's own answer, compared field by field by the tests.
    return JSON.parse(text) as Job
  }
  const clips: Clips = {
    request: (from, duration, format = "mp4") =>
      ask("/playback/requests", 202, { path, start: new Date(from).toISOString(), duration, format }),
    job: (id) => ask(`/playback/jobs/${id}`, 200),
    ended: (id, ms = 30_000) =>
      eventually(
        `job ${id} ends`,
        async () => {
          const found = await clips.job(id)
          return ["done", "failed", "expired", "cancelled"].includes(found.state) ? found : undefined
        },
        ms
      ),
    done: async (id, ms) => {
      const found = await clips.ended(id, ms)
      if (found.clip === null) throw new Error(`no clip: ${JSON.stringify(found)}\n${options.log?.() ?? ""}`)
      return { ...found, clip: found.clip }
    },
    get: async (from, duration, format) => {
      const job = await clips.done((await clips.request(from, duration, format)).id)
      return { job, clip: job.clip, seen: await clips.see(job.clip) }
    },
    see: async (clip) => look(await download(clip, options.folder))
  }
  return clips
}
