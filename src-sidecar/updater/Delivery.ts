/**
 * Brings the manager's config to MediaMTX.
 *
 * One cycle: ask the manager, look at what came, put it in place, see that MediaMTX lives with it; else put back what was
 * there. Only one cycle runs at a time, and it asks the manager as late as it can, right before it may write: of changes
 * that come faster than that, only the newest is ever written.
 *
 * Times are measured by the monotonic clock, so that a clock that is set does nothing here.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { FileError } from "../support/ReplaceFile.js"
import { type CheckFailed, ConfigChecker } from "./ConfigChecker.js"
import { type ConfigFile, isWhole } from "./ConfigText.js"
import { Manager, type ManagerError } from "./Manager.js"
import { Server, type ServerError, type ServerInfo, type ServerShape } from "./Server.js"
import { type State, Store } from "./Store.js"
import type { Probe, Verdict } from "./Verdict.js"

/** What the heartbeats say about the config. */
export interface Report {
  /** SHA-256 (hex) of the config that MediaMTX runs, as far as that is known. */
  readonly appliedHash: string | undefined
  /** What keeps the wanted config from being in force. */
  readonly problem: string | undefined
  /** The config in place, whether or not it was seen to work. */
  readonly inPlace: string | undefined
  /** The control API is where it was, as far as the config in place decides that. */
  readonly apiExpected: boolean
}

export interface DeliveryShape {
  /** Clears up after a predecessor. To be run once, before the first cycle. */
  readonly start: Effect.Effect<void>
  /** Whatever happens in it is logged and reported; it does not fail. */
  readonly cycle: Effect.Effect<void>
  readonly report: Effect.Effect<Report>
}

export class Delivery extends Context.Tag("mtx-updater/Delivery")<Delivery, DeliveryShape>() {}

/** MediaMTX drops what happens to its file within a second after a reload, for good: writes keep twice that distance. */
export const SPACING = Duration.seconds(2)
/** A MediaMTX that is still up this long after a change lives with it. */
export const SETTLE = Duration.seconds(3)
/** One whose API is gone for this long has ended, or can't start. */
export const DOWN = Duration.seconds(10)
/** After that many new starts in one trial it is going up and down. */
const STARTS = 3
const LOOK_EVERY = Duration.millis(300)
const JUDGE_AT_MOST = Duration.seconds(60)
/** How long a config that did not work is not tried again: doubled each time, up to an hour. */
export const BACK_OFF = Duration.minutes(1)
const BACK_OFF_MOST = Duration.hours(1)

/**
 * - `works`: MediaMTX is up, with the new values.
 * - `lagging`: it is up, with the old ones.
 * - `gone`: it went away.
 * - `unclear`: it is neither up nor gone.
 */
type Outcome =
  | { readonly _tag: "works" | "gone" | "unclear" }
  | { readonly _tag: "lagging"; readonly probes: ReadonlyArray<Probe> }

const untilDecided = Schedule.identity<Outcome | undefined>().pipe(
  Schedule.addDelay(() => LOOK_EVERY),
  Schedule.untilInput((outcome) => outcome !== undefined)
)

const short = (hash: string): string => hash.slice(0, 12)

const nanosNow = Clock.currentTimeNanos

const nanosOf = (duration: Duration.Duration): bigint => BigInt(Math.round(Duration.toMillis(duration) * 1e6))

const clip = (lines: ReadonlyArray<string>): string => {
  const text = lines.slice(0, 5).join("; ") + (lines.length > 5 ? `; and ${lines.length - 5} more` : "")
  return text.slice(0, 1500)
}

const make = Effect.gen(function* () {
  const store = yield* Store
  const manager = yield* Manager
  const server = yield* Server
  const checker = yield* ConfigChecker

  // All of this belongs to the one fiber that runs `start` and then `cycle`; others only read through `report`.
  let state: State = { checked: [] }
  /** Hash of the config in place, when it was checked and found fit. */
  let inPlace: string | undefined
  /** Hash of the config that MediaMTX is taken to run. */
  let applied: string | undefined
  let lastGood: string | undefined
  let lastWrite: bigint | undefined
  let failed:
    | { readonly hash: string; readonly error: string; readonly times: number; readonly until: bigint }
    | undefined
  /** What is in the way without being the config's fault: of the manager, the disk, the check. */
  let obstacle: string | undefined
  /** What MediaMTX should have taken over from the config in place and has not. */
  let unforced: ReadonlyArray<Probe> = []
  /** Not put back yet, because the disk did not take it. */
  let rollback: ConfigFile | undefined
  let apiExpected = true
  let version: string | undefined

  const note = (next: Omit<State, "failed">): Effect.Effect<void, FileError> => {
    state = {
      ...next,
      ...(failed === undefined ? {} : { failed: { hash: failed.hash, error: failed.error, times: failed.times } })
    }
    return store.note(state)
  }

  /** For what is only convenient to have: a full disk must not keep the rest from going on. */
  const orWarn = (effect: Effect.Effect<void, FileError>) =>
    Effect.catchAll(effect, (error) => Effect.logWarning(error.message))

  const waitForSpacing = Effect.gen(function* () {
    if (lastWrite === undefined) return
    const left = lastWrite + nanosOf(SPACING) - (yield* nanosNow)
    if (left > 0n) yield* Effect.sleep(Duration.nanos(left))
  })

  /** To be called only with what was checked. */
  const put = Effect.fnUntraced(function* (config: ConfigFile, trial: boolean) {
    // Before the file itself, so that there is no moment in which the config in place looks unchecked.
    const before = inPlace === undefined || inPlace === config.hash ? [] : [inPlace]
    yield* note({ checked: [config.hash, ...before], ...(trial ? { trial: config.hash } : {}) })
    yield* store.replace(config)
    lastWrite = yield* nanosNow
    inPlace = config.hash
  })

  const promote = Effect.fnUntraced(function* (config: ConfigFile) {
    if (lastGood !== config.hash) {
      yield* orWarn(
        Effect.tap(store.keepAsLastGood(config), () =>
          Effect.sync(() => {
            lastGood = config.hash
          })
        )
      )
    }
    if (state.trial !== undefined) yield* orWarn(note({ checked: state.checked }))
  })

  const markFailed = Effect.fnUntraced(function* (config: ConfigFile, error: string) {
    const times = failed?.hash === config.hash ? failed.times + 1 : 1
    const pause = Duration.min(Duration.times(BACK_OFF, 2 ** Math.min(times - 1, 10)), BACK_OFF_MOST)
    failed = { hash: config.hash, error, times, until: (yield* nanosNow) + nanosOf(pause) }
    yield* Effect.logError(`${error}; it is not tried again for ${Duration.format(pause)}, unless it changes`)
    yield* orWarn(note({ checked: state.checked, ...(state.trial === undefined ? {} : { trial: state.trial }) }))
  })

  const infoOf = (shape: ServerShape): Effect.Effect<ServerInfo | ServerError> =>
    Effect.merge(shape.info).pipe(
      Effect.tap((info) =>
        Effect.sync(() => {
          if ("version" in info) version = info.version
        })
      )
    )

  /** Watches MediaMTX after a change until it is clear what became of it. */
  const judge = Effect.fnUntraced(function* (
    shape: ServerShape,
    before: ServerInfo | undefined,
    probes: ReadonlyArray<Probe>
  ): Effect.fn.Return<Outcome> {
    const begun = yield* nanosNow
    const starts = new Set(before === undefined ? [] : [before.started])
    const most = starts.size + STARTS
    let upSince: bigint | undefined
    let goneSince: bigint | undefined

    const look: Effect.Effect<Outcome | undefined> = Effect.gen(function* () {
      const info = yield* infoOf(shape)
      const now = yield* nanosNow
      if ("reason" in info && info.reason === "Gone") {
        upSince = undefined
        goneSince ??= now
        if (now - goneSince >= nanosOf(DOWN)) return { _tag: "gone" }
      } else if (!("reason" in info) || info.reason === "Refused") {
        goneSince = undefined
        if ("started" in info && !starts.has(info.started)) {
          starts.add(info.started)
          upSince = undefined
          if (starts.size >= most) return { _tag: "gone" }
        }
        upSince ??= now
        if (now - upSince >= nanosOf(SETTLE)) {
          const lagging = yield* Effect.orElseSucceed(shape.lagging(probes), () => [])
          return lagging.length === 0 ? { _tag: "works" } : { _tag: "lagging", probes: lagging }
        }
      }
      if (now - begun < nanosOf(JUDGE_AT_MOST)) return undefined
      return { _tag: goneSince === undefined ? "unclear" : "gone" }
    })

    return (yield* Effect.repeat(look, untilDecided)) ?? { _tag: "unclear" }
  })

  const laggingText = (probes: ReadonlyArray<Probe>): string =>
    `MediaMTX runs on with old values: ${clip(
      probes.map(({ field, get, now }) =>
        field === undefined
          ? `${decodeURIComponent(get)} is ${now === true ? "not there yet" : "still there"}`
          : `${field} of ${decodeURIComponent(get)}`
      )
    )}`

  const putBack = Effect.fnUntraced(function* (config: ConfigFile) {
    rollback = config
    yield* waitForSpacing
    yield* put(config, false)
    rollback = undefined
    applied = config.hash
    apiExpected = true
    unforced = []
    yield* Effect.logWarning(`the config ${short(config.hash)} is back in place`)
  })

  /** The config in place follows `previous`, and MediaMTX, which was up before, is to show that it lives with it. */
  const onTrial = Effect.fnUntraced(function* (
    shape: ServerShape,
    config: ConfigFile,
    previous: ConfigFile | undefined,
    before: ServerInfo | undefined,
    verdict: Verdict
  ) {
    let outcome = yield* judge(shape, before, verdict.probes)
    if (outcome._tag === "lagging") {
      yield* Effect.logWarning(`${laggingText(outcome.probes)}; writing the file once more`)
      yield* waitForSpacing
      yield* put(config, true)
      outcome = yield* judge(shape, before, verdict.probes)
    }
    if (outcome._tag === "gone") {
      yield* markFailed(config, `MediaMTX went away when it was given the config ${short(config.hash)}`)
      if (previous === undefined || previous.hash === config.hash) {
        yield* Effect.logError("there is no earlier config to go back to")
        return
      }
      return yield* putBack(previous)
    }
    applied = config.hash
    failed = undefined
    unforced = outcome._tag === "lagging" ? outcome.probes : []
    if (outcome._tag === "works") {
      yield* promote(config)
      yield* Effect.logInfo(`MediaMTX runs with the config ${short(config.hash)}`)
    } else if (outcome._tag === "unclear") {
      yield* Effect.logWarning(`MediaMTX does not say whether it runs with the config ${short(config.hash)}`)
    } else yield* Effect.logError(laggingText(unforced))
  })

  const check = Effect.fnUntraced(function* (config: ConfigFile, previous: ConfigFile | undefined) {
    const verdict = yield* checker.check({
      text: config.text,
      ...(previous === undefined ? {} : { previous: previous.text }),
      ...(version === undefined ? {} : { serverVersion: version })
    })
    if (verdict.warnings.length > 0) yield* Effect.logWarning(`config ${short(config.hash)}: ${clip(verdict.warnings)}`)
    return verdict
  })

  const deliver = Effect.fnUntraced(function* (config: ConfigFile, current: ConfigFile | undefined) {
    const now = yield* nanosNow
    if (failed?.hash === config.hash && now < failed.until) return
    // Without a file there is no MediaMTX yet, and nothing may hold up its start.
    const info = server === undefined || current === undefined ? undefined : yield* infoOf(server)
    const up = info !== undefined && (!("reason" in info) || info.reason === "Refused")
    const verdict = yield* check(config, current)
    if (!verdict.accepted) {
      return yield* markFailed(config, `the config ${short(config.hash)} is refused: ${clip(verdict.problems)}`)
    }
    const judged = server !== undefined && up && verdict.apiStays
    const previous = current !== undefined && current.hash === inPlace ? current : yield* store.lastGood
    if (failed?.hash !== config.hash) failed = undefined
    yield* put(config, judged)
    yield* Effect.logInfo(`the config ${short(config.hash)} is in place (${config.bytes.byteLength} bytes)`)
    apiExpected = verdict.apiStays
    unforced = []
    if (judged) {
      return yield* onTrial(server, config, previous, "started" in info ? info : undefined, verdict)
    }
    applied = config.hash
    failed = undefined
    if (server !== undefined && up) {
      yield* Effect.logWarning("this config changes MediaMTX's control API: what becomes of it can't be seen from here")
    }
    // Without an API nothing more will ever be known about it; and something to boot from is better than nothing.
    if (server === undefined || lastGood === undefined) yield* promote(config)
  })

  /** The manager wants what is in place. */
  const settle = Effect.fnUntraced(function* (current: ConfigFile) {
    if (inPlace !== current.hash) {
      const verdict = yield* check(current, undefined)
      if (!verdict.accepted) {
        return yield* markFailed(current, `the config in place is refused: ${clip(verdict.problems)}`)
      }
      yield* note({ checked: [current.hash] })
      inPlace = current.hash
    }
    failed = undefined
    if (state.failed !== undefined) yield* orWarn(note({ checked: state.checked }))
    applied = current.hash
    if (unforced.length > 0 && server !== undefined) {
      unforced = yield* Effect.orElseSucceed(server.lagging(unforced), () => unforced)
    }
    if (lastGood !== current.hash && unforced.length === 0) {
      const info = server === undefined ? undefined : yield* infoOf(server)
      if (info === undefined || !("reason" in info)) yield* promote(current)
    }
  })

  /** Nothing fit is in place, and the manager gave nothing: MediaMTX can start with what worked before. */
  const restore = Effect.gen(function* () {
    const good = yield* store.lastGood
    if (good === undefined || !isWhole(good.text)) return
    const verdict = state.checked.includes(good.hash) ? undefined : yield* check(good, undefined)
    if (verdict !== undefined && !verdict.accepted) {
      return yield* Effect.logError(`the last good config is refused: ${clip(verdict.problems)}`)
    }
    yield* waitForSpacing
    yield* put(good, false)
    applied = good.hash
    yield* Effect.logWarning(`the last good config (${short(good.hash)}) is in place until the manager gives another`)
  })

  const once = Effect.gen(function* () {
    if (rollback !== undefined) yield* putBack(rollback)
    yield* waitForSpacing
    const current = yield* store.current
    if (inPlace !== current?.hash) inPlace = undefined
    const have = current !== undefined && isWhole(current.text) ? current.hash : undefined
    const config = yield* manager.config(have)
    if (config !== undefined) yield* deliver(config, current)
    else if (current !== undefined) yield* settle(current)
    if (obstacle !== undefined) yield* Effect.logInfo("what was in the way is over")
    obstacle = undefined
  })

  const resume = Effect.gen(function* () {
    const removed = yield* store.recover
    if (removed > 0) yield* Effect.logInfo(`${removed} unfinished file(s) of an earlier run removed`)
    state = yield* store.state
    lastGood = (yield* store.lastGood)?.hash
    const now = yield* nanosNow
    if (state.failed !== undefined) {
      // How long ago that was is not known: the clock may have been set. The pause begins anew.
      failed = { ...state.failed, until: now + nanosOf(BACK_OFF) }
    }
    const writtenAt = yield* store.writtenAt
    if (
      writtenAt !== undefined &&
      Math.abs((yield* Clock.currentTimeMillis) - writtenAt) < Duration.toMillis(SPACING)
    ) {
      lastWrite = now
    }
    const current = yield* store.current
    if (current === undefined) return
    if (!state.checked.includes(current.hash)) {
      const verdict = yield* check(current, undefined)
      if (!verdict.accepted) {
        return yield* Effect.logWarning(`the config in place is not fit for MediaMTX: ${clip(verdict.problems)}`)
      }
      yield* note({ checked: [current.hash] })
    }
    inPlace = current.hash
    if (state.trial !== current.hash || server === undefined) {
      applied = current.hash
      return
    }
    yield* Effect.logWarning("an earlier run ended before it was clear whether MediaMTX lives with the config in place")
    const previous = yield* store.lastGood
    const verdict = yield* check(current, previous)
    if (verdict.apiStays) yield* onTrial(server, current, previous, undefined, verdict)
    else applied = current.hash
  })

  /** Says a thing once, however often it happens in a row. */
  const hinder = (message: string) =>
    Effect.suspend(() => {
      if (obstacle === message) return Effect.void
      obstacle = message
      return Effect.logError(message)
    })

  const guarded = (effect: Effect.Effect<void, FileError | ManagerError | CheckFailed>): Effect.Effect<void> =>
    Effect.catchAll(effect, (error) => hinder(error.message))

  const restoreIfBare = Effect.suspend(() => (inPlace === undefined ? restore : Effect.void)).pipe(
    Effect.catchAll((error) => Effect.logError(error.message))
  )

  return Delivery.of({
    start: guarded(resume),
    cycle: Effect.zipRight(guarded(once), restoreIfBare),
    report: Effect.sync(() => ({
      appliedHash: applied,
      problem: failed?.error ?? obstacle ?? (unforced.length === 0 ? undefined : laggingText(unforced)),
      inPlace,
      apiExpected
    }))
  })
})

export const layer: Layer.Layer<Delivery, never, Store | Manager | Server | ConfigChecker> = Layer.effect(
  Delivery,
  make
)
