/**
 * `manager.yml`: what is not MediaMTX's own: the auth rules, where clips go, where nodes are reached and which of them stand
 * in for each other.
 */
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { formatSyntaxError, parseConfigText } from "../../mediamtx/ConfigDocument.js"
import { formatIssues } from "../../mediamtx/IssueText.js"
import { unknownKeys } from "../../mediamtx/UnknownKeys.js"
import { type AuthRulesDocument, decode as decodeRules } from "../../services/AuthPolicy/AuthRulesDocument.js"
import type { Storage } from "../../services/ObjectStorage.js"
import { decode as decodeRollout, type RolloutPolicy } from "../../services/RolloutPolicy.js"
import { decode as decodeTopology, type FleetTopology } from "../../services/Topology.js"
import { decodeStorage, type Environment } from "./StorageSection.js"

export interface ManagerFile {
  readonly auth: AuthRulesDocument
  readonly storage: Storage
  /** What the storage is made from: equal, by `Equal`, for files that ask for the same one. */
  readonly storageSettings: Redacted.Redacted
  /** Addresses, groups, and how viewers are sent to nodes. */
  readonly topology: FleetTopology
  /** How a change of the config comes to the nodes. */
  readonly rollout: RolloutPolicy
}

export interface ManagerFileOptions {
  /** Where clips go by default (default `clips` in the working folder). */
  readonly clips?: string | undefined
  /** Holds secrets that are not in the file (default: the process's environment). */
  readonly env?: Environment | undefined
}

/** The text can't be used: every finding with its line and column, as a compiler prints it. No secrets. */
export class ManagerFileError extends Schema.TaggedError<ManagerFileError>()("ManagerFileError", {
  file: Schema.String,
  message: Schema.String
}) {}

const sections = ["auth", "storage", "addresses", "groups", "locator", "rollout"]

/** A section as text that does not depend on the order and spelling of its fields. */
const canonical = (section: unknown): string =>
  typeof section === "object" && section !== null
    ? JSON.stringify(Object.entries(section).sort(([a], [b]) => (a < b ? -1 : 1)))
    : ""

/** Whether two files ask for the same storage. */
export const sameStorage = (
  a: Pick<ManagerFile, "storageSettings">,
  b: Pick<ManagerFile, "storageSettings">
): boolean => Equal.equals(a.storageSettings, b.storageSettings)

/** Reads the text of a `manager.yml`; `file` is its name in messages. */
export const parseManagerFile = (
  text: string,
  file: string,
  options: ManagerFileOptions = {}
): Either.Either<ManagerFile, ManagerFileError> => {
  const fail = (message: string) => Either.left(new ManagerFileError({ file, message: message.trimEnd() }))
  const parsed = parseConfigText(text, { file })
  if (Either.isLeft(parsed)) return fail(formatSyntaxError(parsed.left, text))
  const { positionOf, value } = parsed.right
  const unknown = unknownKeys(value, sections, [])
  const rules = decodeRules(value["auth"], ["auth"])
  const storage = decodeStorage(value["storage"], { folder: options.clips ?? "clips", env: options.env ?? process.env })
  const topology = decodeTopology({
    addresses: value["addresses"],
    groups: value["groups"],
    locator: value["locator"]
  })
  const rollout = decodeRollout(value["rollout"])
  const issues = [
    ...(Either.isLeft(rollout) ? rollout.left : []),
    ...unknown,
    ...(Either.isLeft(rules) ? rules.left.issues : []),
    ...(Either.isLeft(storage) ? storage.left : []),
    ...(Either.isLeft(topology) ? topology.left.issues : [])
  ]
  if (
    Either.isLeft(rules) ||
    Either.isLeft(storage) ||
    Either.isLeft(topology) ||
    Either.isLeft(rollout) ||
    issues.length > 0
  ) {
    return fail(formatIssues({ text, file, issues, positionOf }))
  }
  return Either.right({
    auth: rules.right,
    storage: storage.right,
    storageSettings: Redacted.make(canonical(value["storage"])),
    topology: topology.right,
    rollout: rollout.right
  })
}

/** Whether anybody may publish, from anywhere and without credentials: worth a warning at each start. */
export const isOpenToEveryone = ({ auth }: Pick<ManagerFile, "auth">): boolean =>
  auth.rules.some(
    (rule) =>
      (rule.allow?.some((action) => action === "any" || action === "publish") ?? false) &&
      (rule.users === undefined || rule.users.includes("anonymous")) &&
      (rule.ips === undefined || rule.ips.some((ip) => ip === "0.0.0.0/0" || ip === "::/0")) &&
      rule.nodes === undefined &&
      rule.paths === undefined
  )
