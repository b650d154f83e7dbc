/**
 * The fields of MediaMTX's config, release by release, dumped from its Go structs: see `release-fields.json`.
 */
import { readFileSync } from "node:fs"
import * as Schema from "effect/Schema"

const Fields = Schema.Record({
  key: Schema.String,
  value: Schema.Struct({ deprecated: Schema.optional(Schema.Boolean), default: Schema.optional(Schema.Unknown) })
})
const Document = Schema.parseJson(
  Schema.Struct({
    releases: Schema.Array(
      Schema.Struct({
        version: Schema.TemplateLiteral(Schema.Number, ".", Schema.Number, ".", Schema.Number),
        global: Schema.optional(Fields),
        path: Schema.optional(Fields)
      })
    )
  })
)

export interface ReleaseFields {
  readonly version: `${number}.${number}.${number}`
  readonly global: typeof Fields.Type
  readonly path: typeof Fields.Type
}

const { releases } = Schema.decodeUnknownSync(Document)(
  readFileSync(new URL("./release-fields.json", import.meta.url), "utf8")
)

/** Each with all of its fields, not only with what changed. No release has taken a name away. */
export const releaseFields: ReadonlyArray<ReleaseFields> = releases.map(({ version }, index) => {
  const until = releases.slice(0, index + 1)
  return {
    version,
    global: Object.assign({}, ...until.map(({ global }) => global)),
    path: Object.assign({}, ...until.map(({ path }) => path))
  }
})
