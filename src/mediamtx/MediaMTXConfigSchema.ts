/**
 * MediaMTX's config as Effect Schemas, for borders that speak Schema.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { ConfigIssue } from "./ConfigIssue.js"
import { validateConfig } from "./ConfigValidation.js"
import { isObject } from "./FieldType.js"
import { globalFields } from "./GlobalFields.js"
import type { MediaMTXConfig, PathConfig } from "./MediaMTXConfig.js"
import { PathConfigType } from "./PathConfigType.js"

const shape: Record<string, Schema.PropertySignature.All> = {}
for (const [name, row] of Object.entries(globalFields)) {
  shape[name] = Schema.optional(row.type.schema).annotations({ description: row.doc })
}

/**
 * The types of a path's fields, without the rules between them.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PathConfigShape: Schema.Schema<PathConfig> = PathConfigType.schema

/**
 * The types of all fields, without the rules between them: for JSON Schema, docs and arbitrary values. Decoding with it
 * leaves unknown fields out and is slow for big configs; validate with {@link MediaMTXConfigSchema} or `validateConfig`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MediaMTXConfigShape: Schema.Schema<MediaMTXConfig> = Schema.Struct(
  shape
  // Built from the same rows that the interface is written from; a test compares the two.
).annotations({ identifier: "MediaMTXConfigShape" }) as unknown as Schema.Schema<MediaMTXConfig>

const toParseIssue = (ast: ParseResult.Type["ast"], input: unknown, issue: ConfigIssue): ParseResult.ParseIssue => {
  const leaf = new ParseResult.Type(
    ast,
    input,
    `${issue.message}; expected ${issue.expected}${issue.suggestion === undefined ? "" : `; did you mean ${issue.suggestion}?`}`
  )
  const [first, ...rest] = issue.field
  return first === undefined ? leaf : new ParseResult.Pointer([first, ...rest], input, leaf)
}

/**
 * A config that MediaMTX would take. Decoding is `validateConfig`: all errors at once, old names rewritten; it accepts and
 * refuses exactly the same. Warnings are not seen this way.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MediaMTXConfigSchema: Schema.Schema<MediaMTXConfig> = Schema.declare<MediaMTXConfig, MediaMTXConfig, []>(
  [],
  {
    decode: () => (input, _options, ast) =>
      Either.match(validateConfig(input), {
        onRight: ({ config }) => ParseResult.succeed(config),
        onLeft: ({ errors: [first, ...rest] }) =>
          ParseResult.fail(
            first === undefined
              ? new ParseResult.Type(ast, input)
              : new ParseResult.Composite(ast, input, [
                  toParseIssue(ast, input, first),
                  ...rest.map((issue) => toParseIssue(ast, input, issue))
                ])
          )
      }),
    encode: () => (input, _options, ast) =>
      isObject(input)
        ? // Whoever encodes has decoded it, or has built it under the type's eyes.
          ParseResult.succeed(input as MediaMTXConfig)
        : ParseResult.fail(new ParseResult.Type(ast, input))
  },
  {
    identifier: "MediaMTXConfig",
    description: "A config of MediaMTX 1.20"
  }
)
