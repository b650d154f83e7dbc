/** Validating and rendering a large config, beside the `yaml` package and a loop by hand. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { stringify as yamlStringify } from "yaml"
import { ConfigRenderer, ConfigSource, Credentials, makeConfigValidator } from "../dist/index.js"
import { median } from "./process.mjs"

/** 80 fields of every kind, all valid. */
const samplePath = (i, fields) => {
  const path = {}
  for (const [name, value] of fields) path[name] = typeof value === "string" ? value.replace("%i", String(i)) : value
  return path
}

export const configRows = async ({ rounds }) => {
  const { pathFields } = await import("../dist/mediamtx/PathFields.js")
  const skip = /^(name|source.*|alwaysAvailable.*|runOnInit.*|srt.*Passphrase|rpiCameraPrimaryName|fallback)$/
  const fields = Object.entries(pathFields)
    .filter(([name, row]) => !skip.test(name) && row.default !== undefined && row.deprecated === undefined)
    .map(([name, row]) => [name, row.default])
    .slice(0, 80)
  const config = (changed) => {
    const paths = {}
    for (let i = 0; i < 1000; i++) paths[`cams/${i}`] = samplePath(i, fields)
    if (changed !== undefined) paths["cams/500"].maxReaders = changed
    return { rtsp: true, hls: false, paths }
  }

  const cold = []
  const warm = []
  const byHand = []
  for (let round = 0; round < Math.max(5, rounds); round++) {
    const first = config()
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const begun = performance.now()
          // The whole way: check, keep, render, hash.
          const source = yield* ConfigSource.make({ config: first })
          const renderer = yield* ConfigRenderer.make({ base: "http://127.0.0.1:8080" }).pipe(
            Effect.provide(
              Layer.merge(
                Layer.succeed(ConfigSource.ConfigSource, source),
                Credentials.layer({ key: Redacted.make("bench-key-0123456789") })
              )
            )
          )
          yield* renderer.render("bench-1")
          cold.push(performance.now() - begun)
          for (let change = 1; change <= 5; change++) {
            // As an editor does it: what is in force, with one path replaced.
            const { base } = yield* source.current
            const next = {
              ...base,
              paths: { ...base.paths, "cams/500": { ...base.paths["cams/500"], maxReaders: change } }
            }
            const from = performance.now()
            yield* source.set({ config: next })
            yield* renderer.render("bench-1")
            warm.push(performance.now() - from)
          }
        })
      )
    )
    const from = performance.now()
    // By hand: is each value of the right kind, then the `yaml` package.
    const other = config()
    for (const path of Object.values(other.paths))
      for (const [name, value] of fields) if (typeof path[name] !== typeof value) throw new Error(name)
    yamlStringify(other)
    byHand.push(performance.now() - from)
  }
  const valid = makeConfigValidator().validate(config())
  if (Either.isLeft(valid)) throw new Error(valid.left.message)

  const row = (what, ours, reach, peer) => ({
    what,
    ours: `${ours.toFixed(1)} ms`,
    peer: peer === undefined ? "–" : `type checks by hand + \`yaml\`: ${peer.toFixed(0)} ms`,
    ratio: peer === undefined ? "–" : (peer / ours).toFixed(1),
    reach: `≤ ${reach} ms`,
    met: ours <= reach
  })
  return [
    row(`validate + render + hash ${1000} paths × ${fields.length} fields, cold`, median(cold), 60, median(byHand)),
    row("the same after one path changed", median(warm), 2)
  ]
}
