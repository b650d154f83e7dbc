/** A fleet as its nodes make themselves known: heartbeats and hooks over HTTP, without any MediaMTX. */
import type { RunningManager } from "../support/Manager.js"

export const fleet = ({ key, url }: Pick<RunningManager, "key" | "url">) => {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" }
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
    return response
  }
  const poll = async (node: string): Promise<string> => {
    const response = await fetch(`${url}/?node=${node}`, { headers })
    await response.arrayBuffer()
    return (response.headers.get("etag") ?? "").replaceAll('"', "")
  }
  const began = Date.now()
  /** Counters that a camera of 2 Mbit/s and its readers make rise. */
  const bytes = (readers: number) => {
    const bytesReceived = Math.round(((Date.now() - began) / 1000) * 250_000)
    return { bytesReceived, bytesSent: bytesReceived * readers }
  }
  const party = (type: string, id: string) => ({ type, id })
  return {
    /** A heartbeat; the commands that came with its answer. */
    beat: async (
      node: string,
      over: Readonly<Record<string, unknown>> = {}
    ): Promise<{
      readonly commands: ReadonlyArray<{ readonly command: string; readonly type: string; readonly id?: string }>
    }> => {
      const response = await post(`/nodes/${node}/heartbeat`, {
        instance: `instance-of-${node}`,
        mediamtxVersion: "v1.20.1",
        startedAt: new Date(Date.now() - 3_600_000).toISOString(),
        appliedHash: await poll(node),
        status: "ok",
        every: 60,
        disk: { free: 300e9, total: 1000e9 },
        commands: [],
        ...over
      })
      return await response.json()
    },
    path: (name: string, readers: number) => ({
      name,
      available: true,
      online: true,
      source: party("rtspSession", `${name}-publisher`),
      readers: Array.from({ length: readers }, (_, i) => party("webRTCSession", `${name}-reader-${i + 1}`)),
      ...bytes(readers)
    }),
    /** What MediaMTX asks of the manager when somebody wants in; the status that it was answered with. */
    auth: async (node: string, over: Readonly<Record<string, unknown>>): Promise<number> => {
      const response = await fetch(`${url}/auth?node=${node}`, {
        method: "POST",
        headers,
        body: JSON.stringify({
          ...{ ip: "192.0.2.7", user: "", password: "", token: "", action: "read", path: "cam/1", protocol: "rtsp" },
          ...{ id: crypto.randomUUID(), query: "", userAgent: "vlc" },
          ...over
        })
      })
      return response.status
    },
    hook: (node: string, event: Readonly<Record<string, unknown>>) => post(`/hooks?node=${node}`, event),
    /** A node tells of segments of ten minutes, from one time to another. */
    recorded: async (node: string, path: string, from: number, to: number) => {
      for (let at = from; at < to; at += 600_000) {
        const name = new Date(at)
          .toISOString()
          .replace("T", "_")
          .replaceAll(":", "-")
          .replace(".", "-")
          .replace("Z", "000")
        const segmentDuration = Math.min(600_000, to - at) / 1000
        const segmentPath = `./recordings/${path}/${name}.mp4`
        await post(`/hooks?node=${node}`, { event: "record_segment_create", path, segmentPath })
        await post(`/hooks?node=${node}`, { event: "record_segment_complete", path, segmentPath, segmentDuration })
      }
    },
    ask: (path: string, start: number, duration: number) =>
      post("/playback/requests", { path, start: new Date(start).toISOString(), duration }),
    /** Takes one clip job as the node's worker would, and serves it with `bytes`; false when there was none. */
    serveClip: async (node: string, bytes: Uint8Array<ArrayBuffer>, halfway: () => Promise<void>): Promise<boolean> => {
      const response = await fetch(`${url}/playback/jobs?node=${node}&wait=20`, { headers })
      if (response.status !== 200) return false
      const job: {
        readonly id: string
        readonly token: number
        readonly duration: number
        readonly upload: { readonly url: string; readonly headers: Readonly<Record<string, string>> }
      } = await response.json()
      const report = async (body: object) => {
        const reported = await fetch(`${url}/playback/jobs/${job.id}?node=${node}`, {
          method: "PUT",
          headers,
          body: JSON.stringify({ token: job.token, ...body })
        })
        if (!reported.ok) throw new Error(`PUT /playback/jobs: ${reported.status} ${await reported.text()}`)
      }
      const half = Math.floor(bytes.length / 2)
      await report({ status: "progress", phase: "uploading", bytes: half, total: bytes.length })
      await halfway()
      const uploaded = await fetch(job.upload.url, { method: "PUT", headers: job.upload.headers, body: bytes })
      if (!uploaded.ok) throw new Error(`the upload: ${uploaded.status} ${await uploaded.text()}`)
      await report({ status: "done", size: bytes.length, duration: 2_000, gaps: [] })
      return true
    }
  }
}
