/**
 * The work of the three hot routes done by hand, for the peers of the bench: what a careful engineer would write without
 * this project. Same checks, same answers, same durability; no framework, no schema, no layers.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import Database from "better-sqlite3"

export const KEY = "bench-key-0123456789abcdef"
export const NODE = "bench-1"
export const PASSWORD = "secret-of-viewer"
const END = "# end of mtx-manager config"

export const nodeToken = (key, node) => createHmac("sha256", key).update(`mtx-manager node ${node}`).digest("base64url")

const equal = (a, b) => {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}

const isString = (value) => typeof value === "string"
const actions = new Set(["publish", "read", "playback", "api", "metrics", "pprof"])
const protocols = new Set(["", "rtsp", "rtmp", "hls", "webrtc", "srt", "moq"])

/** First value of a key in a query string or form. */
const field = (text, name) => {
  for (const part of text.split("&")) {
    const at = part.indexOf("=")
    if (at > 0 && part.slice(0, at) === name) return decodeURIComponent(part.slice(at + 1).replaceAll("+", " "))
  }
  return undefined
}

/** One user, one rule, default deny; the same as the manager.yml that the bench gives the manager. */
const users = new Map([["viewer", createHash("sha256").update(PASSWORD).digest()]])
const rules = [{ action: "read", prefix: "cams/", users: new Set(["viewer"]) }]

export const makeWork = (file, config) => {
  const tokens = new Map()
  const seen = new Map()
  const last = new Map()
  const hash = createHash("sha256").update(config).digest("hex")
  const etag = `"${hash}"`
  const bytes = Buffer.from(config)
  const db = new Database(file)
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = FULL")
  db.exec(
    "CREATE TABLE IF NOT EXISTS hook_log (cursor INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL)"
  )
  const insert = db.prepare("INSERT INTO hook_log (node, at, event) VALUES (?, ?, ?)")

  const tokenOf = (node) => {
    let token = tokens.get(node)
    if (token === undefined) {
      token = nodeToken(KEY, node)
      tokens.set(node, token)
    }
    return token
  }
  const known = (node, secret) => secret !== undefined && (equal(secret, KEY) || equal(secret, tokenOf(node)))
  const saw = (node, via) => {
    const record = seen.get(node)
    if (record === undefined) seen.set(node, { via, at: Date.now() })
    else {
      record.via = via
      record.at = Date.now()
    }
  }

  return {
    /** -> status, reason */
    auth: (query, body) => {
      const node = field(query, "node")
      const token = field(query, "token")
      if (node === undefined || !known(node, token)) return 401
      let request
      try {
        request = JSON.parse(body)
      } catch {
        return 400
      }
      if (
        request === null ||
        typeof request !== "object" ||
        !isString(request.ip) ||
        !isString(request.user) ||
        !isString(request.password) ||
        !isString(request.token) ||
        !actions.has(request.action) ||
        !isString(request.path) ||
        !protocols.has(request.protocol) ||
        !(request.id === null || isString(request.id)) ||
        !isString(request.query) ||
        !isString(request.userAgent)
      )
        return 400
      saw(node, "auth")
      const secret = users.get(request.user)
      const proved =
        secret !== undefined && timingSafeEqual(createHash("sha256").update(request.password).digest(), secret)
      for (const rule of rules) {
        if (
          rule.action === request.action &&
          request.path.startsWith(rule.prefix) &&
          proved &&
          rule.users.has(request.user)
        )
          return 204
      }
      return request.user === "" && request.password === "" && request.token === "" ? 401 : 403
    },
    hook: (query, authorization, body) => {
      const node = field(query, "node")
      if (node === undefined || authorization === undefined || !known(node, authorization.slice(7))) return 401
      const event = field(body, "event")
      const path = field(body, "path")
      const id = field(body, "id")
      const type = field(body, "type")
      if (event === undefined || path === undefined || id === undefined || type === undefined) return 400
      saw(node, "hook")
      const subject = `${node}|${path}|${id}`
      if (last.get(subject) === event) return 204
      last.set(subject, event)
      if (last.size > 50_000)
        for (const oldest of last.keys()) {
          last.delete(oldest)
          break
        }
      insert.run(node, Date.now(), JSON.stringify({ event, path, type, id, query: "" }))
      return 204
    },
    config: (query, authorization, ifNoneMatch) => {
      const node = field(query, "node")
      if (node === undefined || authorization === undefined || !known(node, authorization.slice(7)))
        return { status: 401 }
      saw(node, "config")
      return ifNoneMatch === etag ? { status: 304, etag } : { status: 200, etag, bytes }
    }
  }
}

/** A config about the size of a real one. */
export const sampleConfig = () =>
  `${Array.from({ length: 40 }, (_, i) => `  "cams/${i}":\n    source: "publisher"\n    record: true\n`).join("")}${END}\n`
