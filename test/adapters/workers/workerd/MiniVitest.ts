/**
 * As much of `@effect/vitest` as our contract suites use, for a runtime in which vitest can't run. Tests are collected when
 * the suites are declared, and run one at a time by their names.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import * as TestContext from "effect/TestContext"

export { assert } from "chai"

const titles: Array<string> = []
/** By the titles of its suites and its own. */
export const tests = new Map<string, () => Promise<void>>()

export const describe = (title: string, declare: () => void): void => {
  titles.push(title)
  declare()
  titles.pop()
}

/** What `it.effect` of `@effect/vitest` provides. */
const environment = Layer.merge(TestContext.TestContext, Logger.remove(Logger.defaultLogger))

const test = (title: string, body: () => Effect.Effect<unknown, unknown>): void => {
  const name = [...titles, title].join(" > ")
  if (tests.has(name)) throw new Error(`two tests are called ${name}`)
  tests.set(name, async () => {
    await Effect.runPromise(Effect.provide(Effect.suspend(body), environment))
  })
}

const plain = (title: string, body: () => void | Promise<void>): void =>
  test(title, () => Effect.tryPromise({ try: async () => body(), catch: (error) => error }))

export const it = Object.assign(plain, {
  effect: test,
  scoped: (title: string, body: () => Effect.Effect<unknown, unknown, Scope.Scope>): void =>
    test(title, () => Effect.scoped(Effect.suspend(body)))
})
