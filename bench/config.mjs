/**
 * Validating and rendering a large config, beside type checks by hand and the `yaml` package.
 *
 * "Cold" is a config never seen before, in an engine that has warmed up; a process's very first config takes about three
 * times as long. The rows with SHA-256 also join the bytes and hash them, as each node's file is once per change.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { stringify as yamlStringify } from "yaml"
import { ConfigRenderer, ConfigSource, Credentials } from "../dist/index.js"
import { pathFields } from "../dist/mediamtx/PathFields.js"
import { makeSettings } from "../dist/services/internal/renderConfig.js"
import { Variants } from "../dist/services/internal/renderVariants.js"
import { median } from "./process.mjs"

const PATHS = 1000
const BASE = "http://127.0.0.1:8080"

/** Fields of every kind, with their defaults. */
const fields = Object.entries(pathFields)
  .filter(([name, row]) => name !== "name" && row.default !== undefined)
  .map(([name, row]) => [name, row.default])
  .slice(0, 80)

const sample = () => {
  const paths = {}
  for (let i = 0; i < PATHS; i++) paths[`cams/${i}`] = Object.fromEntries(fields)
  return { rtsp: true, hls: false, paths }
}

/** As an editor does it: what is in force, with one path replaced. */
const edited = (base, maxReaders) => ({
  ...base,
  paths: { ...base.paths, "cams/500": { ...base.paths["cams/500"], maxReaders } }
})

const timed = async (into, action) => {
  const from = performance.now()
  const result = await action()
  into?.push(performance.now() - from)
  return result
}

/** One config from nothing, then five edits. Times go into `cold` and `warm` unless it is a warm-up. */
const validateAndRender = async ({ cold, warm }) => {
  const variants = new Variants(Either.getOrThrow(makeSettings({ base: BASE })))
  const render = (fleet) => {
    variants.follow(fleet, () => false)
    const found = variants.find(fleet, "bench-1")
    if (found._tag !== "Good") throw new Error("not rendered")
  }
  const config = sample()
  const source = await timed(cold, async () => {
    const made = await Effect.runPromise(ConfigSource.make({ config }))
    render(made.unsafeCurrent())
    return made
  })
  for (let edit = 1; edit <= 5; edit++) {
    const next = edited(source.unsafeCurrent().base, edit)
    await timed(warm, async () => render(await Effect.runPromise(source.set({ config: next }))))
  }
}

const withHash = ({ cold, warm }) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const begun = performance.now()
      const source = yield* ConfigSource.make({ config: sample() })
      const renderer = yield* ConfigRenderer.make({ base: BASE }).pipe(
        Effect.provide(
          Layer.merge(
            Layer.succeed(ConfigSource.ConfigSource, source),
            Credentials.layer({ key: Redacted.make("bench-key-0123456789") })
          )
        )
      )
      yield* renderer.render("bench-1")
      cold?.push(performance.now() - begun)
      for (let edit = 1; edit <= 5; edit++) {
        const next = edited(source.unsafeCurrent().base, edit)
        const from = performance.now()
        yield* source.set({ config: next })
        yield* renderer.render("bench-1")
        warm?.push(performance.now() - from)
      }
    })
  )

const byHand = async (into) => {
  const config = sample()
  await timed(into, () => {
    for (const path of Object.values(config.paths)) {
      for (const [name, value] of fields) if (typeof path[name] !== typeof value) throw new Error(name)
    }
    return yamlStringify(config)
  })
}

export const configRows = async ({ rounds }) => {
  const times = { cold: [], warm: [], hashCold: [], hashWarm: [], hand: [] }
  const runs = Math.max(8, rounds)
  for (let run = -3; run < runs; run++) {
    const counts = run >= 0
    await validateAndRender(counts ? { cold: times.cold, warm: times.warm } : {})
    await withHash(counts ? { cold: times.hashCold, warm: times.hashWarm } : {})
    await byHand(counts ? times.hand : undefined)
  }

  const hand = median(times.hand)
  const row = (what, list, reach, peer) => {
    const ours = median(list)
    return {
      what,
      ours: `${ours.toFixed(1)} ms`,
      peer: peer ? `type checks by hand + \`yaml\`: ${hand.toFixed(0)} ms` : "–",
      ratio: peer ? `${(hand / ours).toFixed(1)} × faster` : "–",
      reach: reach === undefined ? "–" : `≤ ${reach} ms`,
      met: reach === undefined || ours <= reach
    }
  }
  const size = `${PATHS.toLocaleString("en-US")} paths × ${fields.length} fields`
  return [
    row(`validate + render ${size}, cold`, times.cold, 60, true),
    row("the same after one path changed", times.warm, 2, false),
    row(`validate + render + SHA-256, ${size}, cold`, times.hashCold, undefined, true),
    row("the same after one path changed", times.hashWarm, undefined, false)
  ]
}
