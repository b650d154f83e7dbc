import { readFileSync } from "node:fs"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { baselineVersion, currentVersion } from "../../src/mediamtx/ConfigField.js"
import {
  AlwaysAvailableTrackType,
  AuthInternalUserType,
  AuthPermissionType,
  ForwardDestinationType,
  IceServerType
} from "../../src/mediamtx/ConfigObjects.js"
import { deprecatedGlobalFields, deprecatedPathFields } from "../../src/mediamtx/DeprecatedFields.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import { goDurationToNanos } from "../../src/mediamtx/GoDuration.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import { stringSizeToBytes } from "../../src/mediamtx/StringSize.js"

// Names, JSON types and defaults as MediaMTX 1.20's own control API states them.
const Types = Schema.Record({ key: Schema.String, value: Schema.String })
const Values = Schema.Record({ key: Schema.String, value: Schema.Unknown })
const oracle = Schema.decodeUnknownSync(
  Schema.parseJson(
    Schema.Struct({
      global: Types,
      path: Types,
      objects: Schema.Record({ key: Schema.String, value: Types }),
      defaults: Schema.Struct({ global: Values, path: Values })
    })
  )
)(readFileSync(new URL("./openapi-fields.json", import.meta.url), "utf8"))

/** Names that the API leaves out although the file has them. */
const notInApi = ["pathDefaults", "paths", "serverCert", "serverKey"]

const typesOf = (...tables: ReadonlyArray<Record<string, { readonly type: { readonly json: string } }>>) =>
  Object.fromEntries(tables.flatMap((table) => Object.entries(table).map(([name, row]) => [name, row.type.json])))

/** Durations and sizes that mean the same are the same. */
const canonical = (type: string, value: unknown) =>
  typeof value !== "string"
    ? value
    : type === "duration"
      ? goDurationToNanos(value)
      : type === "size"
        ? stringSizeToBytes(value)
        : value

describe("field tables", () => {
  it("have as many rows as MediaMTX has fields", () => {
    expect(Object.keys(globalFields)).toHaveLength(122)
    expect(Object.keys(deprecatedGlobalFields)).toHaveLength(31)
    expect(Object.keys(pathFields)).toHaveLength(91)
    expect(Object.keys(deprecatedPathFields)).toHaveLength(24)
  })

  it("have the names and JSON types of the control API: global", () => {
    const ours = typesOf(globalFields, deprecatedGlobalFields)
    for (const name of notInApi) delete ours[name]
    expect(ours).toEqual(oracle.global)
  })

  it("have the names and JSON types of the control API: path", () => {
    expect(typesOf(pathFields, deprecatedPathFields)).toEqual(oracle.path)
  })

  it.each([
    ["AuthInternalUser", AuthInternalUserType],
    ["AuthPermission", AuthPermissionType],
    ["IceServer", IceServerType],
    ["AlwaysAvailableTrack", AlwaysAvailableTrackType],
    ["ForwardDestination", ForwardDestinationType]
  ] as const)("have the names and JSON types of the control API: %s", (name, type) => {
    const ours = Object.fromEntries(Object.entries(type.fields).map(([key, field]) => [key, field.json]))
    expect(ours).toEqual(oracle.objects[name])
  })

  it.each([
    ["global", globalFields, oracle.defaults.global],
    ["path", pathFields, oracle.defaults.path]
  ] as const)("have the defaults of a default node: %s", (_, table, defaults) => {
    const rows = Object.entries(table).filter(([name]) => Object.hasOwn(defaults, name))
    expect(rows.length).toBeGreaterThan(90)
    for (const [name, row] of rows) {
      const real = defaults[name]
      const sorted = (value: unknown) => (name === "rtspTransports" && Array.isArray(value) ? [...value].sort() : value)
      expect([name, sorted(canonical(row.type.name, row.default))]).toEqual([
        name,
        sorted(canonical(row.type.name, real))
      ])
    }
  })

  it("have servers on that are on by default", () => {
    const on = Object.entries(globalFields).flatMap(([name, row]) => (row.default === true ? [name] : []))
    expect(on).toEqual(["rtsp", "rtmp", "hls", "webrtc", "webrtcIPsFromInterfaces", "srt", "moq"])
  })

  it("have defaults that their own type accepts", () => {
    for (const [name, row] of Object.entries({ ...globalFields, ...pathFields })) {
      expect([name, row.type.check(row.default)]).toEqual([name, undefined])
      const schema: Schema.Schema.AnyNoContext = row.type.schema
      expect([name, Schema.is(schema)(row.default)]).toEqual([name, true])
    }
  })

  it("name live fields as replacements, in releases that are known", () => {
    const inRange = (version: string) => {
      const [, minor = 0, patch = 0] = version.split(".").map(Number)
      return minor * 100 + patch >= 1500 && minor * 100 + patch <= 2001
    }
    for (const [name, row] of Object.entries({ ...deprecatedGlobalFields, ...deprecatedPathFields })) {
      const target = row.replacedBy?.replace("pathDefaults.", "")
      if (target === undefined) expect([name, row.rewrite]).toEqual([name, "drop"])
      else
        expect([name, Object.hasOwn(globalFields, target) || Object.hasOwn(pathFields, target)]).toEqual([name, true])
      expect(inRange(row.since) && inRange(row.deprecatedSince)).toBe(true)
    }
    for (const row of Object.values({ ...globalFields, ...pathFields })) {
      expect(inRange(row.since)).toBe(true)
      if (row.renamedFrom !== undefined) {
        expect(row.since).not.toBe(baselineVersion)
        expect(
          Object.hasOwn(deprecatedGlobalFields, row.renamedFrom) || Object.hasOwn(deprecatedPathFields, row.renamedFrom)
        ).toBe(true)
      }
    }
    expect(currentVersion).toBe("1.20.1")
  })

  it("say something about every field, in a sentence", () => {
    for (const [name, row] of Object.entries({ ...globalFields, ...pathFields })) {
      expect([name, row.doc]).toEqual([name, expect.stringMatching(/^[A-Z`].{8,}[.)]$/s)])
    }
  })
})
