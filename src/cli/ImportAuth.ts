/**
 * The users of an imported mediamtx.yml as rules of the manager, which answers for all nodes who may do what.
 */
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { stringify } from "../mediamtx/Yaml.js"
import type { AuthRulesInput } from "../services/AuthPolicy/AuthRulesDocument.js"

export interface ImportedAuth {
  /** Text of a `manager.yml`; undefined when the config says nothing of users. */
  readonly text: string | undefined
  /** What could not be carried over. */
  readonly notes: ReadonlyArray<string>
}

const hashed = /^(?:sha256:|argon2:)/

type Rule = NonNullable<AuthRulesInput["rules"]>[number]
type User = NonNullable<AuthRulesInput["users"]>[number]

/** Makes the rules, in the order of the users. A config without `authInternalUsers` has MediaMTX's defaults. */
export const importAuth = (config: MediaMTXConfig, source: string): ImportedAuth => {
  const notes: Array<string> = []
  if (config.authMethod !== undefined && config.authMethod !== "internal") {
    return {
      text: stringify({ auth: { rules: [] } }),
      notes: [
        `authMethod ${config.authMethod} can't be carried over into rules: manager.yml denies everybody everything until it has some`
      ]
    }
  }
  if (config.authInternalUsers === undefined) return { text: undefined, notes }

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
  const header = `# Who may do what on the nodes: the users of ${source}, as rules of the manager.\n\n`
  return {
    text:
      header +
      stringify({ auth: { users: users.map((user) => ({ ...user })), rules: rules.map((rule) => ({ ...rule })) } }),
    notes
  }
}
