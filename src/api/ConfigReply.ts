/** How a node's config is sent: whole, headers only, or "you have it". */
import type { HotResponse } from "./HotResponse.js"

export interface ConfigReplies {
  readonly ok: HotResponse
  readonly head: HotResponse
  readonly unchanged: HotResponse
}

/** All replies for a config; `etag` with its quotes. */
export const make = (config: { readonly bytes: Uint8Array; readonly etag: string }): ConfigReplies => {
  const common = ["etag", config.etag, "cache-control", "no-store"]
  const full = ["content-type", "text/yaml; charset=utf-8", "content-length", String(config.bytes.length), ...common]
  return {
    ok: { status: 200, headers: full, body: config.bytes },
    head: { status: 200, headers: full, body: "" },
    unchanged: { status: 304, headers: common, body: "" }
  }
}

/** Whether an `If-None-Match` header names the tag: a list of tags, weak or strong, or `*`. */
export const matches = (header: string, etag: string): boolean => {
  if (header === etag || header === "*") return true
  if (header.indexOf(",") === -1 && header.indexOf("W/") === -1) return header.trim() === etag
  // Our tags have no comma in them.
  return header.split(",").some((part) => {
    const tag = part.trim()
    return tag === "*" || (tag.startsWith("W/") ? tag.slice(2) : tag) === etag
  })
}
