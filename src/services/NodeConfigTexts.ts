/**
 * NodeConfigTexts: what a node should run and what it says it runs, as texts that people may look at and compare.
 *
 * A node reports the hash of its config alone. The text behind it is looked for among the newest revisions: each is rendered
 * for the node until one has that hash.
 *
 * Secrets are not shown. One that differs between the two texts is marked, so that the difference is seen.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { showGlobalField, showPathField } from "../mediamtx/ConfigDiff.js"
import { parseConfigText } from "../mediamtx/ConfigDocument.js"
import { stringifyEither, type YamlValue } from "../mediamtx/Yaml.js"
import type { ConfigPreview, ConfigRendererShape } from "./ConfigRenderer.js"
import type { ConfigRevisionsError, ConfigRevisionsShape } from "./ConfigRevisions.js"
import type { FleetDocument } from "./FleetDocument.js"
import { sha256Hex } from "./internal/sha256Hex.js"
import { NodeId } from "./NodeId.js"
import type { NodeRecord } from "./NodeRegistry.js"

export const NodeConfigTexts = Schema.Struct({
  node: NodeId,
  /** What it should run now; null when none can be rendered. */
  wanted: Schema.NullOr(
    Schema.Struct({
      hash: Schema.String,
      /** YAML without secrets, and without comments. A secret that differs from the one in `applied` says `(changed)`. */
      text: Schema.String
    })
  ),
  /** What it says it runs; null when it has not said. */
  applied: Schema.NullOr(
    Schema.Struct({
      hash: Schema.String,
      /** Null when it is of none of the newest revisions. */
      text: Schema.NullOr(Schema.String),
      /** The revision that gives it this text. Null when that is not known, or it is the wanted one. */
      revision: Schema.NullOr(Schema.Int)
    })
  )
}).annotations({ identifier: "NodeConfigTexts" })
export type NodeConfigTexts = typeof NodeConfigTexts.Type

/** How many revisions are looked through. Each is judged and rendered anew. */
const MOST_REVISIONS = 20
const CHANGED = " (changed)"

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {})

const mapFields = (fields: Fields, f: (name: string, value: unknown) => unknown): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, f(name, value)]))

/** A config as it may be shown. */
const show = (config: Fields): Fields =>
  mapFields(config, (name, value) => {
    if (name === "pathDefaults") return mapFields(fieldsOf(value), showPathField)
    if (name !== "paths") return showGlobalField(name, value)
    return mapFields(fieldsOf(value), (_, path) => mapFields(fieldsOf(path), showPathField))
  })

/** `shown`, with a mark wherever two texts differ of which the same is shown. */
const mark = (raw: unknown, rawBefore: unknown, shown: unknown, shownBefore: unknown): unknown => {
  if (typeof shown === "string") {
    return shown === shownBefore && typeof rawBefore === "string" && raw !== rawBefore ? `${shown}${CHANGED}` : shown
  }
  if (Array.isArray(shown)) {
    const [a, b, c] = [raw, rawBefore, shownBefore].map(
      (each): ReadonlyArray<unknown> => (Array.isArray(each) ? each : [])
    )
    return shown.map((item, i) => mark(a?.[i], b?.[i], item, c?.[i]))
  }
  if (!isObject(shown)) return shown
  const [a, b, c] = [fieldsOf(raw), fieldsOf(rawBefore), fieldsOf(shownBefore)]
  return mapFields(shown, (name, value) => mark(a[name], b[name], value, c[name]))
}

const read = (yaml: string): Fields =>
  Either.match(parseConfigText(yaml), {
    // What we have rendered we can read: anything else is a bug of ours, and no reason to show secrets.
    onLeft: () => ({}),
    onRight: ({ value }) => value
  })

/** What is shown of a config is plain data, as the config is. */
const write = (config: unknown): string => Either.getOrElse(stringifyEither(config as YamlValue), () => "")

/** What the node would be given if a revision's config were in force. */
const previewOf = (
  preview: NonNullable<ConfigRendererShape["preview"]>,
  node: NodeId,
  config: FleetDocument
): Effect.Effect<ConfigPreview | undefined> =>
  preview({
    base: config.base,
    labels: config.labels ?? {},
    overlays: config.overlays ?? [],
    nodes: new Map([[node, config.nodes?.[node] ?? null]])
    // A revision of another time may not be valid by today's rules.
  }).pipe(Effect.orElseSucceed(() => undefined))

const find = (
  renderer: ConfigRendererShape,
  revisions: ConfigRevisionsShape | undefined,
  record: NodeRecord,
  hash: string
): Effect.Effect<{ readonly text: string; readonly revision: number } | undefined, ConfigRevisionsError> =>
  Effect.gen(function* () {
    if (revisions === undefined || renderer.preview === undefined) return undefined
    for (const { revision } of yield* revisions.list({ limit: MOST_REVISIONS })) {
      // It may have been cleared away since.
      const config = yield* revisions.get(revision).pipe(
        Effect.map((found) => found.config),
        Effect.catchTag("RevisionNotFound", () => Effect.succeed(undefined))
      )
      if (config === undefined) continue
      const preview = yield* previewOf(renderer.preview, record.id, config)
      if (preview === undefined) continue
      const text = yield* Effect.orElseSucceed(preview.render(record.id, record), () => undefined)
      if (text !== undefined && (yield* sha256Hex(text)) === hash) return { text, revision }
    }
    return undefined
  })

/** Both texts of a node. */
export const get = (
  renderer: ConfigRendererShape,
  /** Undefined: this manager keeps none. */
  revisions: ConfigRevisionsShape | undefined,
  record: NodeRecord
): Effect.Effect<NodeConfigTexts, ConfigRevisionsError> =>
  Effect.gen(function* () {
    const rendered = yield* Effect.orElseSucceed(renderer.render(record.id, record), () => undefined)
    const wanted = rendered === undefined ? undefined : { hash: rendered.hash, config: read(rendered.yaml) }
    const hash = record.appliedHash
    const found = hash === null || hash === wanted?.hash ? undefined : yield* find(renderer, revisions, record, hash)
    const before = found === undefined ? undefined : read(found.text)
    const shownBefore = before === undefined ? undefined : show(before)
    const shown = wanted === undefined ? undefined : show(wanted.config)
    const text = wanted === undefined ? null : write(mark(wanted.config, before, shown, shownBefore))
    return {
      node: record.id,
      wanted: wanted === undefined || text === null ? null : { hash: wanted.hash, text },
      applied:
        hash === null
          ? null
          : {
              hash,
              text: hash === wanted?.hash ? text : shownBefore === undefined ? null : write(shownBefore),
              revision: found?.revision ?? null
            }
    }
  })
