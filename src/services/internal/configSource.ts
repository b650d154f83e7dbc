/** The rules by which a ConfigSource takes an edit; where the edit comes from is its caller's business. */
import * as Either from "effect/Either"
import { InvalidConfig, makeIssue } from "../../mediamtx/ConfigIssue.js"
import { type ConfigValidator, makeConfigValidator } from "../../mediamtx/ConfigValidation.js"
import type { MediaMTXConfig } from "../../mediamtx/MediaMTXConfig.js"
import { ConfigSourceError, type FleetConfig } from "../FleetConfig.js"
import type { NodeId } from "../NodeId.js"
import { adopt, mergeConfig } from "./mergeConfig.js"

/** What has been read: unvalidated data, or why it could not be read. */
export type Reading = Either.Either<unknown, ConfigSourceError>

export interface Offer {
  readonly base: Reading
  readonly nodes: ReadonlyMap<NodeId, Reading>
  /** Puts a refusal in words, with file, line and column. */
  readonly explain: (node: NodeId | undefined, error: InvalidConfig) => ConfigSourceError | InvalidConfig
}

export type Refusal = ConfigSourceError | InvalidConfig

export interface Verdict {
  /** What is in force now: `previous` itself when nothing changed; undefined when there is nothing to serve. */
  readonly config: FleetConfig | undefined
  readonly refusals: ReadonlyArray<Refusal>
}

/** One memory for the base and one for what overlays make of it: a memory holds one set of path defaults at a time. */
export interface Validators {
  readonly base: ConfigValidator
  readonly overlays: ConfigValidator
}
export const makeValidators = (): Validators => ({ base: makeConfigValidator(), overlays: makeConfigValidator() })

const notAMapping = new InvalidConfig({
  issues: [
    makeIssue({
      severity: "error",
      rule: "wrong-type",
      field: [],
      message: "is not an object",
      expected: "an object with the fields of mediamtx.yml"
    })
  ]
})

const isConfigLike = (value: unknown): value is MediaMTXConfig =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An overlay by itself is no valid config; only what it makes of the base is judged. */
const validateOverlay = (
  validators: Validators,
  base: MediaMTXConfig,
  overlay: unknown
): Either.Either<MediaMTXConfig, InvalidConfig> => {
  if (!isConfigLike(overlay)) return Either.left(notAMapping)
  for (const part of ["paths", "pathDefaults"] as const) {
    // The merge would spread these; whatever else is wrong in the overlay survives it and is found in the result.
    const value: unknown = overlay[part]
    if (value !== undefined && value !== null && !isConfigLike(value)) {
      return Either.left(
        new InvalidConfig({
          issues: [
            makeIssue({
              severity: "error",
              rule: "wrong-type",
              field: [part],
              message: "is not an object",
              expected: "an object"
            })
          ]
        })
      )
    }
  }
  return Either.map(validators.overlays.validate(mergeConfig(base, overlay)), () => overlay)
}

/**
 * - A base that can't be read or isn't valid changes nothing: the base in force stays.
 * - An overlay is judged merged with the base in force. A bad one is refused alone: this node's last good overlay stays,
 *   as long as it is valid with the base.
 * - A node for which no good overlay is left is in `refused`: it is given nothing new, rather than a base that was never
 *   meant for it as it is.
 */
export const judge = (validators: Validators, previous: FleetConfig | undefined, offer: Offer): Verdict => {
  const refusals: Array<Refusal> = []
  let base = previous?.base
  let warnings = previous?.warnings ?? []

  const shared = Either.map(offer.base, (value) => adopt(previous?.base, value))
  if (Either.isLeft(shared)) refusals.push(shared.left)
  else {
    const valid = validators.base.validate(shared.right)
    if (Either.isLeft(valid)) refusals.push(offer.explain(undefined, valid.left))
    else {
      // Validation rewrites deprecated names into new objects; what it made before is kept where it is equal.
      const { config } = valid.right
      const rewritten = config === shared.right ? config : adopt(previous?.base, config)
      base = isConfigLike(rewritten) ? rewritten : config
      warnings = valid.right.warnings
    }
  }
  if (base === undefined) return { config: undefined, refusals }

  const nodes = new Map<NodeId, MediaMTXConfig>()
  const refused = new Map<NodeId, Refusal>()
  for (const [node, reading] of [...offer.nodes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const before = previous?.nodes.get(node)
    const judged = Either.isLeft(reading)
      ? Either.left<Refusal>(reading.left)
      : Either.mapLeft(
          validateOverlay(validators, base, adopt(before, reading.right)),
          (error): Refusal => offer.explain(node, error)
        )
    if (Either.isRight(judged)) {
      nodes.set(node, judged.right)
      continue
    }
    refusals.push(judged.left)
    if (before !== undefined && Either.isRight(validateOverlay(validators, base, before))) nodes.set(node, before)
    else refused.set(node, judged.left)
  }

  const unchanged =
    previous !== undefined &&
    previous.base === base &&
    previous.nodes.size === nodes.size &&
    [...nodes].every(([node, overlay]) => previous.nodes.get(node) === overlay) &&
    sameKeys(previous.refused, refused)
  return {
    config: unchanged ? previous : { revision: (previous?.revision ?? 0) + 1, base, nodes, refused, warnings },
    refusals
  }
}

const sameKeys = (a: ReadonlyMap<NodeId, unknown> | undefined, b: ReadonlyMap<NodeId, unknown>): boolean =>
  (a?.size ?? 0) === b.size && [...b.keys()].every((key) => a?.has(key) === true)

/** One refusal stays what it is; several become one text. */
export const combine = (origin: string, refusals: ReadonlyArray<Refusal>): Refusal | undefined => {
  const [first, ...rest] = refusals
  if (first === undefined || rest.length === 0) return first
  return new ConfigSourceError({ origin, message: refusals.map((refusal) => refusal.message).join("\n") })
}

/** The issues of an overlay that was given as a value: below `nodes.ID`. */
export const underNode = (node: NodeId | undefined, error: InvalidConfig): InvalidConfig =>
  node === undefined
    ? error
    : new InvalidConfig({
        issues: error.issues.map((issue) => makeIssue({ ...issue, field: ["nodes", node, ...issue.field] }))
      })
