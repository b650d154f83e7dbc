import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { AuthRequestBody, plainAuthRequestBody } from "../../src/mediamtx/AuthRequest.js"
import { authBody } from "./Fixture.js"

const bySchema = Schema.decodeUnknownEither(AuthRequestBody)

describe("plainAuthRequestBody", () => {
  it("recognises what a node sends", () => {
    assert.deepStrictEqual(plainAuthRequestBody(authBody({ more: 1 })), Either.getOrThrow(bySchema(authBody())))
    assert.isDefined(plainAuthRequestBody(authBody({ id: null, protocol: "", action: "api", path: "" })))
  })

  it("never takes what the schema refuses, and reads the same from what both take", () => {
    const value = FastCheck.oneof(
      FastCheck.string(),
      FastCheck.constantFrom("read", "publish", "pprof", "rtsp", "moq", "", null, 1, undefined, [], "playback.request")
    )
    const body = FastCheck.tuple(
      FastCheck.dictionary(FastCheck.constantFrom(...Object.keys(authBody())), value, { maxKeys: 3 }),
      FastCheck.boolean()
    ).map(([over, whole]) => (whole ? authBody(over) : over))
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(body, FastCheck.jsonValue()), (json) => {
        const plain = plainAuthRequestBody(json)
        if (plain !== undefined) assert.deepStrictEqual(bySchema(json), Either.right(plain))
      }),
      { numRuns: 500 }
    )
  })

  it("takes every body of v1.20 that the schema takes", () => {
    for (const action of ["publish", "read", "playback", "api", "metrics", "pprof"]) {
      for (const protocol of ["", "rtsp", "rtmp", "hls", "webrtc", "srt", "moq"]) {
        const json = authBody({ action, protocol })
        assert.deepStrictEqual(plainAuthRequestBody(json), Either.getOrThrow(bySchema(json)))
      }
    }
  })
})
