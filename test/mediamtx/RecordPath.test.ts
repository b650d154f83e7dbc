import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import { type RecordPathOptions, recordPath } from "../../src/mediamtx/RecordPath.js"

const made = (template: string, options?: RecordPathOptions) => Either.getOrThrow(recordPath(template, options))
const utc = Date.UTC(2026, 10, 24, 11, 10, 31, 495)

describe("recordPath reads what MediaMTX writes", () => {
  const cases: ReadonlyArray<readonly [template: string, timeZone: string, file: string, path: string, start: number]> =
    [
      ["./recordings/%path/%Y-%m-%d_%H-%M-%S-%f", "UTC", "./recordings/cam/2026-11-24_11-10-31-495012.mp4", "cam", utc],
      ["/rec/%path/%s", "UTC", "/rec/a/b/1764000631.mp4", "a/b", 1_764_000_631_000],
      ["/rec/%path/%s.%f", "Europe/Berlin", "/rec/a/1764000631.000999.mp4", "a", 1_764_000_631_000],
      ["/rec/%path/%Y%m%dT%H%M%S%z", "Asia/Tokyo", "/rec/a/20261124T111031Z.mp4", "a", utc - 495],
      ["/rec/%path/%Y%m%dT%H%M%S%z", "UTC", "/rec/a/20261124T164031+0530.mp4", "a", utc - 495],
      ["/rec/%path/%Y%m%dT%H%M%S%z", "UTC", "/rec/a/20261124T074031-0330.mp4", "a", utc - 495],
      // The zone of the node, in winter and in summer.
      ["%path/%Y-%m-%d_%H-%M-%S-%f", "Europe/Berlin", "a/2026-11-24_12-10-31-495000.mp4", "a", utc],
      [
        "%path/%Y-%m-%d_%H-%M-%S-%f",
        "Europe/Berlin",
        "a/2026-07-01_12-00-00-000000.mp4",
        "a",
        Date.UTC(2026, 6, 1, 10)
      ],
      // Exists twice: Go takes the second east of Greenwich, the first west of it.
      ["%path/%Y-%m-%d_%H-%M-%S", "Europe/Berlin", "a/2026-10-25_02-30-00.mp4", "a", Date.UTC(2026, 9, 25, 1, 30)],
      ["%path/%Y-%m-%d_%H-%M-%S", "America/New_York", "a/2026-11-01_01-30-00.mp4", "a", Date.UTC(2026, 10, 1, 5, 30)],
      // %s wins over the other fields, %z over the zone; a field that stands twice counts where it stands last.
      ["%path/%Y-%m-%d/%s", "UTC", "a/1999-01-01/1764000631.mp4", "a", 1_764_000_631_000],
      ["%path/%Y/%Y%m%d%H%M%S", "UTC", "a/1999/20261124111031.mp4", "a", utc - 495],
      // Characters that mean something in regular expressions.
      ["/r.c/(x)[%path]+{%s}$^|*?", "UTC", "/r.c/(x)[cam]+{1764000631}$^|*?.mp4", "cam", 1_764_000_631_000],
      ["C:\\rec\\%path\\%s", "UTC", "C:\\rec\\a/b\\1764000631.mp4", "a/b", 1_764_000_631_000]
    ]
  for (const [template, timeZone, file, path, start] of cases) {
    it(`${template} (${timeZone}): ${file}`, () => {
      const prepared = made(template, { timeZone })
      assert.deepStrictEqual(prepared.parse(file), { path, start })
      assert.deepStrictEqual(prepared.parse(file, path), { path, start })
    })
  }

  it("takes no name of another template, extension or path", () => {
    const prepared = made("/rec/%path/%s")
    for (const file of [
      "",
      "/rec/a/176400063.mp4",
      "/rec/a/1764000631.ts",
      "/rec/a/1764000631.mp4.tmp",
      "x/rec/a/1764000631.mp4"
    ]) {
      assert.isUndefined(prepared.parse(file))
    }
    assert.isUndefined(prepared.parse("/rec/a/1764000631.mp4", "b"))
    assert.isUndefined(prepared.parse("/rec/axb/1764000631.mp4", "a.b"))
    assert.deepStrictEqual(made("/rec/%path/%s", { format: "mpegts" }).parse("/rec/a/1764000631.ts"), {
      path: "a",
      start: 1_764_000_631_000
    })
  })

  it("refuses a template without a time or a path, and a zone that does not exist", () => {
    for (const [template, timeZone, reason, text] of [
      ["/rec/%path/%Y-%m-%d", "UTC", "MissingFields", "lacks %H %M %S"],
      ["/rec/%s", "UTC", "MissingFields", "lacks %path"],
      ["/rec/%path/%s", "Mars/Olympus", "UnknownTimeZone", "Mars/Olympus"]
    ] as const) {
      const error = Either.getOrThrow(Either.flip(recordPath(template, { timeZone })))
      assert.strictEqual(error.reason, reason)
      assert.include(error.message, text)
    }
  })
})

/** A template with all that it needs, in any order, with anything in between. */
const templates = FastCheck.record({
  time: FastCheck.constantFrom(
    ["%s"],
    ["%s", "%f"],
    ["%Y", "%m", "%d", "%H", "%M", "%S"],
    ["%Y", "%m", "%d", "%H", "%M", "%S", "%f", "%z"]
  ),
  separators: FastCheck.array(FastCheck.constantFrom("/", "-", "_", ".", "x", "(", "[a]", "\\", "+", "%"), {
    minLength: 12,
    maxLength: 12
  }),
  order: FastCheck.array(FastCheck.nat(), { minLength: 9, maxLength: 9 })
}).map(({ order, separators, time }) => {
  const parts = [...time, "%path"]
    .map((part, i) => [order[i] ?? 0, part] as const)
    .sort(([a], [b]) => a - b)
    .map(([, part]) => part)
  return `/rec${parts.map((part, i) => `${separators[i] ?? "/"}/${part}`).join("")}`
})
const pathNames = FastCheck.stringMatching(/^[0-9a-zA-Z_.-]{1,8}(\/[0-9a-zA-Z_-]{1,8})?$/)
/** 2001-09-09 (ten digits of Unix time) to 2099. */
const times = FastCheck.integer({ min: 1_000_000_000_000, max: 4_080_000_000_000 })
const zones = FastCheck.constantFrom(
  "UTC",
  "Europe/Berlin",
  "America/St_Johns",
  "Asia/Kathmandu",
  "Australia/Lord_Howe"
)

describe("recordPath", () => {
  it("reads back what it writes: the same time to the precision of the template, or the twin of an ambiguous name", () => {
    FastCheck.assert(
      FastCheck.property(templates, pathNames, times, zones, (template, path, start, timeZone) => {
        const prepared = made(template, { timeZone })
        const file = prepared.render(path, start)
        const read = prepared.parse(file, path)
        if (read === undefined) return assert.fail(`not read: ${file}`)
        // The one property that never bends: another segment of this start would have the very same name.
        assert.strictEqual(prepared.render(path, read.start), file)
        const precise = template.includes("%f") ? start : Math.floor(start / 1000) * 1000
        if (template.includes("%s") || template.includes("%z") || timeZone === "UTC") {
          assert.strictEqual(read.start, precise)
        } else {
          assert.isAtMost(Math.abs(read.start - precise), 3_600_000)
        }
      }),
      { numRuns: 2000 }
    )
  })
})
