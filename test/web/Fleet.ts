/** A fleet as its nodes make themselves known: heartbeats and hooks over HTTP, without any MediaMTX. */
import type { RunningManager } from "../support/Manager.js"

export const fleet = ({ key, url }: Pick<RunningManager, "key" | "url">) => {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" }
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  }
  const poll = async (node: string): Promise<string> => {
    const response = await fetch(`${url}/?node=${node}`, { headers })
    await response.arrayBuffer()
    return (response.headers.get("etag") ?? "").replaceAll('"', "")
  }
  const party = (type: string, id: string) => ({ type, id })
  return {
    beat: async (node: string, over: Readonly<Record<string, unknown>> = {}) =>
      post(`/nodes/${node}/heartbeat`, {
        instance: `instance-of-${node}`,
        mediamtxVersion: "v1.20.1",
        startedAt: new Date(Date.now() - 3_600_000).toISOString(),
        appliedHash: await poll(node),
        status: "ok",
        every: 60,
        disk: { free: 300e9, total: 1000e9 },
        commands: [],
        ...over
      }),
    path: (name: string, readers: number) => ({
      name,
      available: true,
      online: true,
      source: party("rtspSession", `${name}-publisher`),
      readers: Array.from({ length: readers }, (_, i) => party("webRTCSession", `${name}-reader-${i + 1}`))
    }),
    hook: (node: string, event: Readonly<Record<string, unknown>>) => post(`/hooks?node=${node}`, event),
    /** Makes that many nodes known. */
    crowd: async (count: number) => {
      for (let i = 0; i < count; i += 100) {
        await Promise.all(
          Array.from({ length: Math.min(100, count - i) }, (_, k) => poll(`crowd-${String(i + k).padStart(5, "0")}`))
        )
      }
    }
  }
}
