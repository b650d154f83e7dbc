import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { addressOf, decodeAddresses, parseHostPort } from "../../src/services/NodeDirectory.js"

const wrong = (value: unknown) =>
  Either.match(decodeAddresses(value), {
    onLeft: (issues) => issues.map(({ fieldText, message }) => `${fieldText} ${message}`),
    onRight: () => []
  })

describe("addresses of nodes", () => {
  it("come from all rules that fit, field by field, the id's own last", () => {
    const rules = Either.getOrThrow(
      decodeAddresses({
        b: "203.0.113.7:18554",
        "*": { address: "{node}.internal", public: "{node}.example.com", urls: { hls: "https://cdn.example/{node}/" } },
        "b*": { urls: { rtsp: "rtsp://b.example" } }
      })
    )
    assert.deepStrictEqual(addressOf(rules, "a"), {
      address: "a.internal",
      public: "a.example.com",
      urls: { hls: "https://cdn.example/a" }
    })
    assert.deepStrictEqual(addressOf(rules, "b"), {
      address: "203.0.113.7:18554",
      public: "b.example.com",
      urls: { hls: "https://cdn.example/b", rtsp: "rtsp://b.example" }
    })
    assert.deepStrictEqual(addressOf(undefined, "a"), {})
    // No name of an object's own.
    assert.deepStrictEqual(addressOf({}, "constructor"), {})
  })

  it("are hosts with ports and schemes, and nothing else", () => {
    assert.deepStrictEqual(parseHostPort("10.0.0.5"), { scheme: undefined, host: "10.0.0.5", port: undefined })
    assert.deepStrictEqual(parseHostPort("[2001:db8::1]:8554"), {
      scheme: undefined,
      host: "[2001:db8::1]",
      port: 8554
    })
    assert.deepStrictEqual(parseHostPort("rtsps://cams.example.com:322"), {
      scheme: "rtsps",
      host: "cams.example.com",
      port: 322
    })
    for (const text of ["", "a b", "a:0", "a:65536", "user@host", "host/path", "2001:db8::1", "-a", "a:1:2", "a\n"]) {
      assert.isUndefined(parseHostPort(text), text)
    }
  })

  it("say all that is wrong with them, and where", () => {
    assert.deepStrictEqual(wrong([]), ["addresses is not an object"])
    assert.deepStrictEqual(
      wrong({
        "a b": {},
        c: 5,
        d: {
          addres: "x",
          address: "http://x",
          public: "x:5",
          urls: { hls: "rtsp://x", webrtc: "https://u:p@x", foo: "" }
        },
        e: { urls: "x" }
      }),
      [
        'addresses["a b"] is not a node id',
        "addresses.c is not an object",
        "addresses.d.addres is not known here",
        "addresses.d.address is not an address",
        "addresses.d.public is not a host",
        "addresses.d.urls.foo is not known here",
        "addresses.d.urls.hls is not such a URL",
        "addresses.d.urls.webrtc is not such a URL",
        "addresses.e.urls is not an object"
      ]
    )
    assert.deepStrictEqual(wrong(null), [])
  })
})
