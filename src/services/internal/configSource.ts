/** The rules by which a ConfigSource takes an edit; where the edit comes from is its caller's business. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type ConfigIssue, InvalidConfig, makeIssue } from "../../mediamtx/ConfigIssue.js"
import { type ConfigValidator, makeConfigValidator } from "../../mediamtx/ConfigValidation.js"
import type { MediaMTXConfig } from "../../mediamtx/MediaMTXConfig.js"
import { ConfigSourceError, type FleetConfig } from "../FleetConfig.js"
import { type ConfigOverlay, type Overlays, readOverlaySections } from "../FleetDocument.js"
import type { NodeId } from "../NodeId.js"
import type { LabelRules } from "../NodeLabels.js"
import { classesOf, mergeParts, overlaysOf, type Part, sourceOf } from "./configLayers.js"
import { adopt } from "./mergeConfig.js"

/** What has been read: unvalidated data, or why it could not be read. */
export type Reading = Either.Either<unknown, ConfigSourceError>

export interface Offer {
  readonly base: Reading
  readonly nodes: ReadonlyMap<NodeId, Reading>
  /** An object with `labels` and `overlays`. Absent: neither. */
  readonly overlays?: Reading | undefined
  /** Nodes that are known to exist: overlays are tried on them as well. */
  readonly known?: Iterable<NodeId> | undefined
  /**
   * Puts a refusal in words, with file, line and column. What labels and overlays are to blame for has a field that begins
   * with `labels` or `overlays`.
   */
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

/** The merge would spread what is no object; whatever else is wrong survives it and is found in the result. */
const misshapen = (overlay: unknown): InvalidConfig | undefined => {
  if (!isConfigLike(overlay)) return notAMapping
  for (const part of ["paths", "pathDefaults"] as const) {
    const value: unknown = overlay[part]
    if (value !== undefined && value !== null && !isConfigLike(value)) {
      return new InvalidConfig({
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
    }
  }
  return undefined
}

/** Issues where they come from: what an overlay says is found in it, below `overlays.INDEX.config`. */
const attribute = (
  all: ReadonlyArray<ConfigOverlay>,
  parts: ReadonlyArray<Part>,
  error: InvalidConfig,
  also: (issue: ConfigIssue) => string
): InvalidConfig =>
  new InvalidConfig({
    issues: error.issues.map((issue) => {
      const found = sourceOf(parts, issue.field)
      return makeIssue({
        ...issue,
        message: issue.severity === "error" ? `${issue.message}${also(issue)}` : issue.message,
        field:
          found?.part.of === "overlay"
            ? ["overlays", String(all.indexOf(found.part.overlay)), "config", ...found.field]
            : issue.field
      })
    })
  })

/** An overlay by itself is no valid config; only what it makes of the base is judged. */
const validateOverlay = (
  validators: Validators,
  shared: Shared,
  node: NodeId,
  overlay: unknown
): Either.Either<MediaMTXConfig, InvalidConfig> => {
  const wrong = misshapen(overlay)
  if (wrong !== undefined || !isConfigLike(overlay)) return Either.left(wrong ?? notAMapping)
  const parts: ReadonlyArray<Part> = [
    ...overlaysOf(shared, node).map((each): Part => ({ of: "overlay", overlay: each })),
    { of: "node", config: overlay }
  ]
  return Either.mapBoth(validators.overlays.validate(mergeParts(shared.base, parts)), {
    onRight: () => overlay,
    onLeft: (error) => attribute(shared.overlays, parts, error, () => "")
  })
}

/** What all nodes have in common. */
interface Shared extends Overlays {
  readonly base: MediaMTXConfig
}

/** The errors of overlays, on the nodes that each selects. Those of the base alone are known already. */
function* judgeOverlays(
  validators: Validators,
  shared: Shared,
  nodes: Iterable<string>
): Generator<void, InvalidConfig | undefined> {
  const issues: Array<ConfigIssue> = []
  const seen = new Set<string>()
  for (const [index, { config, paths }] of shared.overlays.entries()) {
    const wrong = paths === undefined ? misshapen(config) : isConfigLike(config) ? undefined : notAMapping
    for (const issue of wrong?.issues ?? []) {
      issues.push(makeIssue({ ...issue, field: ["overlays", String(index), "config", ...issue.field] }))
    }
  }
  if (issues.length > 0) return new InvalidConfig({ issues })
  for (const overlays of classesOf({ ...shared, nodes: new Map() }, nodes)) {
    yield
    const parts = overlays.map((overlay): Part => ({ of: "overlay", overlay }))
    const valid = validators.overlays.validate(mergeParts(shared.base, parts))
    if (Either.isRight(valid)) continue
    const names = overlays.map(({ name }) => name).join(", ")
    const placed = attribute(shared.overlays, parts, valid.left, ({ field }) =>
      sourceOf(parts, field) === undefined ? ` (on nodes with the overlays ${names})` : ""
    )
    for (const issue of placed.errors) {
      const key = `${issue.rule} ${issue.fieldText} ${issue.message}`
      if (!seen.has(key)) issues.push(issue)
      seen.add(key)
    }
  }
  return issues.length > 0 ? new InvalidConfig({ issues }) : undefined
}

/** Keeps an overlay that has not changed the object that it was, wherever it stands in the list. */
const adoptOverlays = (
  previous: ReadonlyArray<ConfigOverlay> | undefined,
  next: ReadonlyArray<ConfigOverlay>
): ReadonlyArray<ConfigOverlay> => {
  const before = new Map((previous ?? []).map((overlay) => [overlay.name, overlay]))
  // What was read a moment before; only objects that are equal to it take its place.
  const adopted = next.map((overlay) => adopt(before.get(overlay.name), overlay) as ConfigOverlay)
  const same = previous !== undefined && previous.length === adopted.length
  return same && adopted.every((overlay, index) => overlay === previous[index]) ? previous : adopted
}

const noOverlays: Overlays = { labels: {}, overlays: [] }

/**
 * A step for each config that is validated.
 *
 * - Base, labels and overlays go together: when one can't be read or isn't valid, those in force stay.
 * - An overlay is judged merged with the base in force. A bad one is refused alone: this node's last good overlay stays,
 *   as long as it is valid with the base.
 * - A node for which no good overlay is left is in `refused`: it is given nothing new, rather than a base that was never
 *   meant for it as it is.
 */
function* judging(validators: Validators, previous: FleetConfig | undefined, offer: Offer): Generator<void, Verdict> {
  const refusals: Array<Refusal> = []
  let inForce: Shared | undefined =
    previous === undefined
      ? undefined
      : { base: previous.base, labels: previous.labels ?? noOverlays.labels, overlays: previous.overlays ?? [] }
  let warnings = previous?.warnings ?? []

  const overlays = Either.flatMap(offer.overlays ?? Either.right(noOverlays), (value) =>
    // Data of any shape: reading says what is wrong with it.
    Either.mapLeft(readOverlaySections(value ?? {}), (error): Refusal => offer.explain(undefined, error))
  )
  if (Either.isLeft(overlays)) refusals.push(overlays.left)

  const shared = Either.map(offer.base, (value) => adopt(previous?.base, value))
  if (Either.isLeft(shared)) refusals.push(shared.left)
  else {
    const valid = validators.base.validate(shared.right)
    if (Either.isLeft(valid)) refusals.push(offer.explain(undefined, valid.left))
    else {
      // Validation rewrites deprecated names into new objects; what it made before is kept where it is equal.
      const { config } = valid.right
      const rewritten = config === shared.right ? config : adopt(previous?.base, config)
      const base = isConfigLike(rewritten) ? rewritten : config
      if (Either.isRight(overlays)) {
        const { labels } = overlays.right
        const offered: Shared = {
          base,
          // Labels of text only, as they were read.
          labels:
            Object.keys(labels).length === 0 ? noOverlays.labels : (adopt(previous?.labels, labels) as LabelRules),
          overlays: adoptOverlays(previous?.overlays, overlays.right.overlays)
        }
        const wrong = yield* judgeOverlays(validators, offered, [...offer.nodes.keys(), ...(offer.known ?? [])])
        if (wrong !== undefined) refusals.push(offer.explain(undefined, wrong))
        else {
          inForce = offered
          warnings = valid.right.warnings
        }
      }
    }
  }
  if (inForce === undefined) return { config: undefined, refusals }
  const { base, labels } = inForce

  const nodes = new Map<NodeId, MediaMTXConfig>()
  const refused = new Map<NodeId, Refusal>()
  for (const [node, reading] of [...offer.nodes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield
    const before = previous?.nodes.get(node)
    const judged = Either.isLeft(reading)
      ? Either.left<Refusal>(reading.left)
      : Either.mapLeft(
          validateOverlay(validators, inForce, node, adopt(before, reading.right)),
          (error): Refusal => offer.explain(node, error)
        )
    if (Either.isRight(judged)) {
      nodes.set(node, judged.right)
      continue
    }
    refusals.push(judged.left)
    if (before !== undefined && Either.isRight(validateOverlay(validators, inForce, node, before)))
      nodes.set(node, before)
    else refused.set(node, judged.left)
  }

  const unchanged =
    previous !== undefined &&
    previous.base === base &&
    (previous.labels ?? noOverlays.labels) === labels &&
    sameItems(previous.overlays ?? [], inForce.overlays) &&
    previous.nodes.size === nodes.size &&
    [...nodes].every(([node, overlay]) => previous.nodes.get(node) === overlay) &&
    sameKeys(previous.refused, refused)
  return {
    config: unchanged
      ? previous
      : {
          revision: (previous?.revision ?? 0) + 1,
          base,
          ...(Object.keys(labels).length > 0 && { labels }),
          ...(inForce.overlays.length > 0 && { overlays: inForce.overlays }),
          nodes,
          refused,
          warnings
        },
    refusals
  }
}

/** What becomes of an offer, at once. */
export const judge = (validators: Validators, previous: FleetConfig | undefined, offer: Offer): Verdict => {
  const steps = judging(validators, previous, offer)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** By a timer of the runtime, whatever the Clock: what is waited for is the other work of this thread. */
const pause = Effect.async<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 0)
  return Effect.sync(() => clearTimeout(timer))
})

/**
 * As `judge`, but between any two configs that are validated others have their turn: with a thousand paths and a hundred
 * overlays it takes half a second, for which no node should have to wait.
 */
export const judgeInSteps = (
  validators: Validators,
  previous: FleetConfig | undefined,
  offer: Offer
): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    const steps = judging(validators, previous, offer)
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      yield* pause
    }
  })

const sameKeys = (a: ReadonlyMap<NodeId, unknown> | undefined, b: ReadonlyMap<NodeId, unknown>): boolean =>
  (a?.size ?? 0) === b.size && [...b.keys()].every((key) => a?.has(key) === true)

const sameItems = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index])

/** One refusal stays what it is; several become one text. */
export const combine = (origin: string, refusals: ReadonlyArray<Refusal>): Refusal | undefined => {
  const [first, ...rest] = refusals
  if (first === undefined || rest.length === 0) return first
  return new ConfigSourceError({ origin, message: refusals.map((refusal) => refusal.message).join("\n") })
}

/** Issues as they are called in a document: what a field begins with tells which section it is of. */
export const inDocument = (node: NodeId | undefined, error: InvalidConfig): InvalidConfig =>
  new InvalidConfig({
    issues: error.issues.map((issue) =>
      issue.field[0] === "overlays" || issue.field[0] === "labels"
        ? issue
        : makeIssue({ ...issue, field: [...(node === undefined ? ["base"] : ["nodes", node]), ...issue.field] })
    )
  })

/** The issues of an overlay that was given as a value: below `nodes.ID`. */
export const underNode = (node: NodeId | undefined, error: InvalidConfig): InvalidConfig =>
  node === undefined
    ? error
    : new InvalidConfig({
        issues: error.issues.map((issue) =>
          issue.field[0] === "overlays" ? issue : makeIssue({ ...issue, field: ["nodes", node, ...issue.field] })
        )
      })
