import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type Flags, resolveSettings, type SettingName, settingTable } from "../../src/cli/Settings.js"

const resolve = (
  flags: Partial<Record<SettingName, string>>,
  variables: Readonly<Record<string, string>> = {},
  last?: Partial<Record<SettingName, string>>
) => {
  const given: Flags = Object.fromEntries(Object.entries(flags).map(([name, text]) => [name, Option.some(text)]))
  return resolveSettings(given, "/home/u", last === undefined ? undefined : () => Effect.succeed(last)).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
  )
}

describe("settings", () => {
  it.effect("have the documented defaults", () =>
    Effect.gen(function* () {
      expect(yield* resolve({})).toEqual({
        port: 8080,
        host: "127.0.0.1",
        base: undefined,
        key: undefined,
        previousKey: undefined,
        adminKey: undefined,
        metricsKey: undefined,
        viewerKey: undefined,
        data: "/home/u/data",
        config: "/home/u/data/config",
        configSource: "files",
        database: "/home/u/data/manager.db",
        refreshEvery: 10,
        refreshMode: "loop",
        nodeConfigFile: "/etc/mediamtx.yml",
        relay: undefined,
        relayNodes: undefined,
        mediamtxVersion: undefined,
        unknownFields: "drop",
        logFormat: "pretty"
      })
    })
  )

  it.effect("a flag wins over its variable, which wins over the last serve, which wins over the default", () =>
    Effect.gen(function* () {
      const variables = { MANAGER_BASE: "http://variable", MANAGER_REFRESH_EVERY: "1m", MANAGER_PORT: "1" }
      const last = { base: "http://last", refreshEvery: "30s", refreshMode: "none" }
      const all = yield* resolve({ base: "http://flag", port: "0" }, variables, last)
      expect(all).toMatchObject({
        base: "http://flag",
        port: 0,
        refreshEvery: 60,
        refreshMode: "none",
        host: "127.0.0.1"
      })
      const fewer = yield* resolve({}, { MANAGER_BASE: "http://variable" }, last)
      expect(fewer).toMatchObject({ base: "http://variable", refreshEvery: 30, refreshMode: "none" })
    })
  )

  it.effect("an empty variable is not set, an empty flag is wrong", () =>
    Effect.gen(function* () {
      expect((yield* resolve({}, { MANAGER_PORT: "", MANAGER_KEY: "" })).port).toBe(8080)
      const refused = yield* Effect.either(resolve({ port: "" }))
      expect(Either.isLeft(refused) && refused.left.message).toContain("--port: the empty text is not a TCP port")
    })
  )

  it.effect("the config and the database are below the data folder, relative paths below the working folder", () =>
    Effect.gen(function* () {
      expect(yield* resolve({ data: "d" })).toMatchObject({
        data: "/home/u/d",
        config: "/home/u/d/config",
        database: "/home/u/d/manager.db"
      })
      expect(yield* resolve({ config: "../c.yml", database: "/x.db" })).toMatchObject({
        config: "/home/c.yml",
        database: "/x.db"
      })
      expect((yield* resolve({ database: ":memory:" })).database).toBe(":memory:")
    })
  )

  it.effect("keys stay redacted", () =>
    Effect.gen(function* () {
      const { key } = yield* resolve({}, { MANAGER_KEY: "a-long-secret-key" })
      expect(String(key)).toBe("<redacted>")
      expect(key === undefined ? "" : Redacted.value(key)).toBe("a-long-secret-key")
    })
  )

  it.effect.each<readonly [SettingName, string, unknown]>([
    ["host", "[::1]", "::1"],
    ["host", "0.0.0.0", "0.0.0.0"],
    ["host", "manager.internal", "manager.internal"],
    ["base", "https://example.com/", "https://example.com"],
    ["base", "https://example.com/mtx//", "https://example.com/mtx"],
    ["base", "http://[::1]:8080", "http://[::1]:8080"],
    ["database", "postgres://u:p@db/x?sslmode=require", "postgres://u:p@db/x?sslmode=require"],
    ["refreshEvery", "2", 2],
    ["refreshEvery", "1h", 3600],
    ["logFormat", "json", "json"]
  ])("%s takes %s", ([name, text, value]) =>
    Effect.gen(function* () {
      expect((yield* resolve({ [name]: text }))[name]).toBe(value)
    })
  )

  it.effect.each<readonly [SettingName, string]>([
    ["port", "-1"],
    ["port", "65536"],
    ["port", "80 "],
    ["port", "0x50"],
    ["host", "http://x"],
    ["host", "a b"],
    ["base", "example.com"],
    ["base", "http://u:p@example.com"],
    ["base", "http://example.com/?a=b"],
    ["base", "http://example.com/$HOME"],
    ["key", "with space"],
    ["key", "with'quote"],
    ["key", "1234567"],
    ["adminKey", "ключ-ключ-ключ"],
    ["database", "postgres:///x"],
    ["database", "mysql://u:p@db/x"],
    ["refreshEvery", "500ms"],
    ["refreshEvery", "2h"],
    ["refreshMode", "LOOP"],
    ["nodeConfigFile", "mediamtx.yml"],
    ["nodeConfigFile", "/etc/a'b.yml"],
    ["relay", "updater"],
    ["relay", "http://updater:9995"],
    ["relayNodes", "cam-1,,cam-2"],
    ["logFormat", "xml"]
  ])("%s refuses %s, naming flag and remedy, never a secret", ([name, text]) =>
    Effect.gen(function* () {
      const refused = yield* Effect.either(resolve({ [name]: text }))
      const message = Either.isLeft(refused) ? refused.left.message : ""
      expect(message).toMatch(new RegExp(`^${settingTable[name].flag}: .*; expected `))
      expect(message).not.toContain("u:p@")
      if (name === "key" || name === "adminKey") expect(message).not.toContain(text)
    })
  )
})
