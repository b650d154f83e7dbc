import { assert, describe, it } from "@effect/vitest"
import { Duration, Either } from "effect"
import { recordSettings } from "../../src/services/RecordSettings.js"

const config = {
  pathDefaults: { recordPath: "/rec/%path/%Y-%m-%d_%H-%M-%S-%f", recordDeleteAfter: "14d", recordPartDuration: "5s" },
  paths: {
    cam: { recordSegmentDuration: "10m" },
    "~^dyn/(.*)$": { recordPath: "/dyn/%path/%s", recordDeleteAfter: "0s", recordFormat: "mpegts" }
  }
} as const

describe("recordSettings", () => {
  it("takes the path's own fields over the defaults, also for paths by regular expression", () => {
    const settings = Either.getOrThrow(recordSettings(config, { timeZone: "Europe/Berlin" }))
    const cam = settings("cam")
    assert.strictEqual(cam?.recordPath.template, "/rec/%path/%Y-%m-%d_%H-%M-%S-%f.mp4")
    assert.strictEqual(cam?.recordPath.timeZone, "Europe/Berlin")
    assert.isTrue(Duration.equals(cam?.segmentDuration ?? 0, Duration.minutes(10)))
    assert.isTrue(Duration.equals(cam?.partDuration ?? 0, Duration.seconds(5)))
    assert.isTrue(Duration.equals(cam?.deleteAfter ?? 0, Duration.days(14)))
    const dynamic = settings("dyn/7")
    assert.strictEqual(dynamic?.recordPath.template, "/dyn/%path/%s.ts")
    assert.isUndefined(dynamic?.deleteAfter)
    // MediaMTX's own default.
    assert.isTrue(Duration.equals(dynamic?.segmentDuration ?? 0, Duration.hours(1)))
    // Asked again, it is the same.
    assert.strictEqual(settings("cam"), cam)
  })

  it("knows nothing of paths that the config has not, and refuses a zone that does not exist", () => {
    assert.isUndefined(Either.getOrThrow(recordSettings(config))("other"))
    assert.isTrue(Either.isLeft(recordSettings(config, { timeZone: "Nowhere" })))
  })
})
