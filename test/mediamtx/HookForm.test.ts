import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import type { HookEvent } from "../../src/mediamtx/HookEvent.js"
import { decodeForm, decodeJson } from "../../src/mediamtx/HookForm.js"

const event = (body: string): HookEvent => Either.getOrThrow(decodeForm(body))
const field = (body: string): string => {
  const decoded = decodeForm(body)
  if (Either.isRight(decoded)) throw new Error(`it was taken: ${JSON.stringify(decoded.right)}`)
  return decoded.left._tag === "Field" ? decoded.left.issue.field : "schema"
}

describe("HookForm", () => {
  it("reads each kind of event", () => {
    const cases: ReadonlyArray<readonly [string, HookEvent]> = [
      ["event=connect&type=rtspConn&id=1", { event: "connect", type: "rtspConn", id: "1" }],
      ["event=disconnect&type=srtConn&id=1", { event: "disconnect", type: "srtConn", id: "1" }],
      ["event=init&path=cam", { event: "init", path: "cam" }],
      ["event=demand&path=cam&query=a%3Db", { event: "demand", path: "cam", query: "a=b" }],
      ["event=undemand&path=cam", { event: "undemand", path: "cam", query: "" }],
      [
        "event=online&path=a/b-c_d.e&type=rtspSource&id=&query=",
        { event: "online", path: "a/b-c_d.e", type: "rtspSource", id: "", query: "" }
      ],
      [
        "event=unread&path=cam&type=hlsSession&id=2&query=x%3D1%26y%3D2",
        { event: "unread", path: "cam", type: "hlsSession", id: "2", query: "x=1&y=2" }
      ],
      [
        "event=record_segment_create&path=cam&raw_segment_path=/r/cam/1.mp4",
        { event: "record_segment_create", path: "cam", segmentPath: "/r/cam/1.mp4" }
      ],
      [
        "event=record_segment_complete&path=cam&segment_duration=10.054195012&segment_path=%2Fr%2Fa+b.mp4",
        { event: "record_segment_complete", path: "cam", segmentDuration: 10.054195012, segmentPath: "/r/a b.mp4" }
      ]
    ]
    for (const [body, expected] of cases) assert.deepStrictEqual(event(body), expected, body)
  })

  it("reads by hand what the schema reads", () => {
    const text = FastCheck.oneof(
      FastCheck.string({ maxLength: 6, unit: "grapheme" }),
      FastCheck.constantFrom("", "a\0b", "cam")
    )
    const names = ["read", "unread", "available", "unavailable", "online", "offline", "ready", "reed"]
    FastCheck.assert(
      FastCheck.property(FastCheck.constantFrom(...names), text, text, text, text, (name, path, type, id, query) => {
        const form = new URLSearchParams({ event: name, path, type, id, query })
        const expected = decodeJson({ event: name, path, type, id, query })
        assert.deepStrictEqual(
          Either.mapLeft(decodeForm(form.toString()), () => "refused"),
          Either.mapLeft(expected, () => "refused")
        )
      })
    )
  })

  it("takes the names of older nodes", () => {
    assert.strictEqual(event("event=ready&path=a&type=t&id=1").event, "available")
    assert.strictEqual(event("event=not_ready&path=a&type=t&id=1").event, "unavailable")
    assert.strictEqual(
      Either.getOrThrow(decodeJson({ event: "ready", path: "a", type: "t", id: "1" })).event,
      "available"
    )
  })

  it("the first of a key counts, so what a stranger wrote into a later value changes nothing", () => {
    assert.deepStrictEqual(event("event=demand&path=cam&query=x&event=connect&path=evil&query=y&id=evil"), {
      event: "demand",
      path: "cam",
      query: "x"
    })
  })

  it("an older node's raw query, which is no encoding, is left as it is", () => {
    assert.deepStrictEqual(event("event=demand&path=cam&query=100%"), { event: "demand", path: "cam", query: "100%" })
    assert.deepStrictEqual(event("event=demand&path=cam&query=%ff"), { event: "demand", path: "cam", query: "%ff" })
  })

  it("is not fooled by a key within a value or by empty parts", () => {
    assert.deepStrictEqual(event("&&event=init&=x&path=xraw_segment_path=1&novalue&"), {
      event: "init",
      path: "xraw_segment_path=1"
    })
  })

  it("says which field is wrong", () => {
    assert.strictEqual(field("event=init&path=%"), "path")
    assert.strictEqual(field("event=init&path=%c3%28"), "path")
    assert.strictEqual(field("event=init&path="), "path")
    assert.strictEqual(field("event=init&path=a%00"), "path")
    assert.strictEqual(field("event=connect&type=a&id=b\0"), "id")
    for (const seconds of ["", "-1", "1s", "1e3", "NaN", "Infinity", "0x10", "1.", ".5", " 1"]) {
      const body = `event=record_segment_complete&path=a&segment_duration=${seconds}&raw_segment_path=/x`
      assert.strictEqual(field(body), "segment_duration", seconds)
    }
    assert.strictEqual(field("event=unheard_of&path=a"), "schema")
    assert.strictEqual(field(""), "schema")
  })

  it("a raw segment path comes through byte for byte, whatever it is", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string({ unit: "grapheme", minLength: 1 }), (tail) => {
        FastCheck.pre(!tail.includes("\0"))
        const path = `/rec/${tail}`
        assert.deepStrictEqual(event(`event=record_segment_create&path=cam&raw_segment_path=${path}`), {
          event: "record_segment_create",
          path: "cam",
          segmentPath: path
        })
      })
    )
  })

  it("what URLSearchParams encodes is read back the same", () => {
    const text = FastCheck.string({ unit: "grapheme", minLength: 1 }).filter((value) => !value.includes("\0"))
    FastCheck.assert(
      FastCheck.property(text, text, text, text, (path, type, id, query) => {
        const fields = { event: "read" as const, path, type, id, query }
        assert.deepStrictEqual(event(new URLSearchParams(fields).toString()), fields)
        assert.deepStrictEqual(Either.getOrThrow(decodeJson(fields)), fields)
      })
    )
  })

  it("never throws", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string({ unit: "binary" }), FastCheck.jsonValue(), (body, json) => {
        decodeForm(body)
        decodeForm(`event=init&path=${body}`)
        decodeJson(json)
      })
    )
  })
})
