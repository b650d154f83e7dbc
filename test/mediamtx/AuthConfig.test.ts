import { Either, Redacted } from "effect"
import { assert, describe, it } from "vitest"
import { http, jwt } from "../../src/auth.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"

describe("http", () => {
  it("makes MediaMTX ask the URL that it was given", () => {
    assert.deepStrictEqual(http({ base: "https://example.com/auth" }), {
      global: { authMethod: "http", authHTTPAddress: "https://example.com/auth", authHTTPExclude: [] }
    })
  })

  it("puts node and token into the URL, escaped, where alone they can stand", () => {
    const { global } = http({
      base: "https://example.com/auth?a=1",
      node: "cam-1",
      token: Redacted.make("a&b"),
      exclude: [{ action: "metrics", path: "" }],
      fingerprint: "ab".repeat(32)
    })
    assert.deepStrictEqual(global, {
      authMethod: "http",
      authHTTPAddress: "https://example.com/auth?a=1&node=cam-1&token=a%26b",
      authHTTPFingerprint: "ab".repeat(32),
      authHTTPExclude: [{ action: "metrics", path: "" }]
    })
    assert.include(http({ base: "https://example.com/auth", token: "t" }).global.authHTTPAddress ?? "", "token=t")
  })
})

describe("jwt", () => {
  it("names the keys and the claim", () => {
    assert.deepStrictEqual(jwt({ jwks: "https://example.com/jwks.json" }), {
      global: {
        authMethod: "jwt",
        authJWTJWKS: "https://example.com/jwks.json",
        authJWTClaimKey: "mediamtx_permissions",
        authJWTExclude: []
      }
    })
  })

  it("passes on everything else", () => {
    assert.deepStrictEqual(
      jwt({
        jwks: new URL("https://example.com/jwks.json"),
        claimKey: "can",
        issuer: "https://example.com",
        audience: "nodes",
        fingerprint: "cd".repeat(32),
        exclude: [{ action: "api", path: "" }]
      }).global,
      {
        authMethod: "jwt",
        authJWTJWKS: "https://example.com/jwks.json",
        authJWTJWKSFingerprint: "cd".repeat(32),
        authJWTClaimKey: "can",
        authJWTExclude: [{ action: "api", path: "" }],
        authJWTIssuer: "https://example.com",
        authJWTAudience: "nodes"
      }
    )
  })
})

describe("both", () => {
  it("spread into a config that MediaMTX takes", () => {
    const config = {
      ...http({ base: "https://example.com/auth" }).global,
      paths: { cam: {} }
    } satisfies MediaMTXConfig
    const other = {
      ...jwt({ jwks: "https://example.com/jwks.json", issuer: "x" }).global,
      paths: { cam: {} }
    } satisfies MediaMTXConfig
    for (const one of [config, other]) {
      assert.isTrue(Either.isRight(validateConfig(one)))
    }
  })

  for (const url of [
    "example.com/auth",
    "ftp://example.com",
    "https://u:hidden@example.com",
    "https://x/#y",
    "https://x/$A"
  ]) {
    it(`refuse ${url}, and say which option it is`, () => {
      const refused = (make: () => unknown): string => {
        try {
          make()
        } catch (error) {
          return String(error)
        }
        return ""
      }
      for (const [option, message] of [
        ["base", refused(() => http({ base: url }))],
        ["jwks", refused(() => jwt({ jwks: url }))]
      ] as const) {
        assert.include(message, option)
        assert.notInclude(message, "hidden")
      }
    })
  }
})
