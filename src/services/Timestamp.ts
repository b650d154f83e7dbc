/**
 * A point in time: epoch milliseconds in memory and in SQL, an ISO 8601 string in UTC on the wire.
 *
 * A plain number in memory, so that comparing and storing times on hot paths costs nothing.
 */
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

export const Timestamp = Schema.transformOrFail(Schema.String, Schema.Number, {
  strict: true,
  decode: (iso, _, ast) => {
    const millis = Date.parse(iso)
    return Number.isNaN(millis)
      ? ParseResult.fail(new ParseResult.Type(ast, iso, "expected an ISO 8601 time such as 2026-01-31T12:00:00Z"))
      : ParseResult.succeed(millis)
  },
  encode: (millis) => ParseResult.succeed(new Date(millis).toISOString())
}).annotations({
  identifier: "Timestamp",
  description: "ISO 8601 time in UTC",
  // OpenAPI shows the wire form.
  jsonSchema: { type: "string", format: "date-time" }
})
/** Epoch milliseconds. */
export type Timestamp = typeof Timestamp.Type
