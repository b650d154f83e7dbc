/**
 * The users of an imported mediamtx.yml as rules of the manager, which answers for all nodes who may do what.
 */
import { randomBytes } from "node:crypto"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { stringify } from "../mediamtx/Yaml.js"
import type { AuthRulesInput } from "../services/AuthPolicy/AuthRulesDocument.js"

export interface ImportedAuth {
  /** Text of a `manager.yml`; undefined when the config says nothing of users. */
  readonly text: string | undefined
  /** What could not be carried over. */
  readonly notes: ReadonlyArray<string>
  /** The user that workers are to log in to MediaMTX's playback server with; undefined when they need none. */
  readonly worker: string | undefined
}

const hashed = /^(?:sha256:|argon2:)/

type Rule = NonNullable<AuthRulesInput["rules"]>[number]
type User = NonNullable<AuthRulesInput["users"]>[number]

/** Who comes with these has shown the key of the manager, or of a node, which no user of MediaMTX has. */
const clips: Rule = { name: "clips", allow: ["playback.request", "playback.worker"] }

/** Whether anybody may play back anything, from anywhere and without credentials: then workers may as well. */
const isOpenPlayback = ({ allow, ips, paths, users }: Rule): boolean =>
  [allow].flat().includes("playback") && ips === undefined && paths === undefined && users === undefined

const freeName = (users: ReadonlyArray<User>): string => {
  let name = "mtx-playback"
  for (let i = 2; users.some((user) => user.name === name); i++) name = `mtx-playback-${i}`
  return name
}

/** Rules that let nobody do anything on the nodes. */
export const closed: string = stringify({ auth: { rules: [{ ...clips }] } })

/** Makes the rules, in the order of the users. A config without `authInternalUsers` has MediaMTX's defaults. */
export const importAuth = (config: MediaMTXConfig, source: string): ImportedAuth => {
  const notes: Array<string> = []
  if (config.authMethod !== undefined && config.authMethod !== "internal") {
    return {
      text: closed,
      notes: [
        `authMethod ${config.authMethod} can't be carried over into rules: manager.yml lets nobody publish or watch until it has some`
      ],
      worker: undefined
    }
  }
  if (config.authInternalUsers === undefined) return { text: undefined, notes, worker: undefined }

  const users: Array<User> = []
  const rules: Array<Rule> = []
  for (const [index, entry] of config.authInternalUsers.entries()) {
    const at = `authInternalUsers[${index}]`
    const user = entry.user ?? ""
    const anyone = user === "any"
    if (!anyone) {
      if (hashed.test(user) || user === "anonymous" || user === "") {
        notes.push(`${at}: a user name that is empty, a hash or "anonymous" has no counterpart; left out`)
        continue
      }
      if (users.some((other) => other.name === user)) {
        notes.push(`${at}: a second user of the same name; left out`)
        continue
      }
      if (entry.pass === undefined || entry.pass === "") {
        notes.push(`${at}: has no password, which every password would fit; left out`)
        continue
      }
      users.push({ name: user, secret: entry.pass })
    }
    for (const permission of entry.permissions ?? []) {
      if (permission.action === undefined) continue
      rules.push({
        allow: [permission.action],
        ...(permission.path === undefined || permission.path === "" ? {} : { paths: [permission.path] }),
        ...(anyone ? {} : { users: [user] }),
        ...(entry.ips === undefined || entry.ips.length === 0 ? {} : { ips: [...entry.ips] })
      })
    }
  }
  // Nodes that go on to decide by themselves know the users of their own config only.
  const worker = config.authMethod === undefined && !rules.some(isOpenPlayback) ? freeName(users) : undefined
  if (worker !== undefined) {
    users.push({ name: worker, secret: randomBytes(24).toString("base64url") })
    rules.push({ name: "workers read what they cut", allow: ["playback"], users: [worker] })
  }
  rules.push(clips)
  const header = `# Who may do what on the nodes: the users of ${source}, as rules of the manager.\n`
  const about =
    worker === undefined
      ? ""
      : `#\n# ${worker} is new: give it to the workers that cut clips, as MEDIAMTX_USER and MEDIAMTX_PASSWORD.\n`
  return {
    text: `${header}${about}\n${stringify({
      auth: { users: users.map((user) => ({ ...user })), rules: rules.map((rule) => ({ ...rule })) }
    })}`,
    notes,
    worker
  }
}
