/**
 * What a manager knows, to be looked at and subscribed to. Independent of where the values come from.
 *
 * Subscribers are guests: what one of them throws is reported and nothing else happens, and one whose promise is still
 * pending is not called again until it has settled, then with the newest value. Nobody who publishes waits for them.
 */

/** The state at one moment. The same object for as long as nothing changed. */
export interface Snapshot<Context> {
  readonly context: Context
}

export interface Subscription {
  /** Ends it. A call that is going on ends by itself. May be called again. */
  readonly unsubscribe: () => void
}

/** Called with each new value. A promise that it returns is waited for before its next call. */
export type Listener<Value> = (value: Value) => unknown

/** A part of the state. */
export interface Selection<Value> {
  /** The part, now. */
  readonly get: () => Value
  /** Tells when it has changed. Not called with the present value. */
  readonly subscribe: (listener: Listener<Value>) => Subscription
}

export interface Store<Context> {
  /** The state, now. */
  readonly getSnapshot: () => Snapshot<Context>
  /** Tells of every change. Not called with the present state. */
  readonly subscribe: (listener: Listener<Snapshot<Context>>) => Subscription
  /**
   * A part of the state. `changed` says when it has *changed* (true: tell the subscribers), compared with what they were
   * told last; without it, that is when it is no longer deeply equal.
   *
   * @example
   * ```ts
   * const online = store.select((context) => context.nodes.filter((node) => node.status === "online").length)
   * online.subscribe((count) => console.log(`${count} nodes are online`))
   * ```
   */
  readonly select: <Value>(
    selector: (context: Context) => Value,
    changed?: (previous: Value, next: Value) => boolean
  ) => Selection<Value>
}

export interface StoreOptions<Context> {
  /** The state until the first `publish`. */
  readonly initial: Context
  /** Reads the state at once where that is possible: newer than what was published last. */
  readonly pull?: (() => Context | undefined) | undefined
  /** Called when somebody subscribes for the first time: before that, nobody needs to publish. */
  readonly onFirstSubscriber?: (() => void) | undefined
  /** Gets what subscribers and selectors throw. */
  readonly onError: (error: unknown, what: string) => void
}

/** The store, and the means to feed it. */
export interface StoreSource<Context> {
  readonly store: Store<Context>
  readonly publish: (context: Context) => void
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Deep equality of data: plain objects, arrays, maps, sets, dates and primitives. Other objects only equal themselves. */
export const deepEqual = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => deepEqual(item, b[i]))
  }
  if (a instanceof Date) return b instanceof Date && Object.is(a.getTime(), b.getTime())
  if (a instanceof Map) {
    if (!(b instanceof Map) || a.size !== b.size) return false
    for (const [key, value] of a) if (!b.has(key) || !deepEqual(value, b.get(key))) return false
    return true
  }
  if (a instanceof Set) {
    if (!(b instanceof Set) || a.size !== b.size) return false
    for (const value of a) if (!b.has(value)) return false
    return true
  }
  if (Array.isArray(b) || !isPlain(a) || !isPlain(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && deepEqual(Reflect.get(a, key), Reflect.get(b, key)))
  )
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

/** Subscribers of one kind of value. */
class Listeners<Value> {
  readonly #all = new Set<{ readonly offer: (value: Value) => void }>()
  readonly #onError: (error: unknown) => void
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }
  get size(): number {
    return this.#all.size
  }
  add(listener: Listener<Value>, onEmpty?: () => void): Subscription {
    let active = true
    let busy = false
    // At most one value waits: the newest.
    let waiting: { readonly value: Value } | undefined
    const settled = () => {
      busy = false
      const next = waiting
      waiting = undefined
      if (next !== undefined) offer(next.value)
    }
    const offer = (value: Value): void => {
      if (!active) return
      if (busy) {
        waiting = { value }
        return
      }
      try {
        const result = listener(value)
        if (!isPromise(result)) return
        busy = true
        result.then(settled, (error: unknown) => {
          this.#onError(error)
          settled()
        })
      } catch (error) {
        this.#onError(error)
      }
    }
    const entry = { offer }
    this.#all.add(entry)
    return {
      unsubscribe: () => {
        active = false
        if (this.#all.delete(entry) && this.#all.size === 0) onEmpty?.()
      }
    }
  }
  tell(value: Value): void {
    // Copied: who subscribes while being told is told of the next change.
    for (const { offer } of [...this.#all]) offer(value)
  }
}

export const make = <Context>(options: StoreOptions<Context>): StoreSource<Context> => {
  let current: Snapshot<Context> = { context: options.initial }
  let subscribed = false
  const report = (what: string) => (error: unknown) => options.onError(error, what)
  const listeners = new Listeners<Snapshot<Context>>(report("a subscriber of the store"))
  /** The selections that somebody is subscribed to. */
  const selections = new Set<(context: Context) => void>()

  const take = (context: Context): Snapshot<Context> => {
    if (context !== current.context) current = { context }
    return current
  }
  const now = (): Snapshot<Context> => {
    const newest = options.pull?.()
    return newest === undefined ? current : take(newest)
  }
  const first = () => {
    if (subscribed) return
    subscribed = true
    options.onFirstSubscriber?.()
  }

  return {
    publish: (context) => {
      const snapshot = take(context)
      listeners.tell(snapshot)
      for (const update of [...selections]) update(context)
    },
    store: {
      getSnapshot: now,
      subscribe: (listener) => {
        first()
        return listeners.add(listener)
      },
      select: (selector, changed = (previous, next) => !deepEqual(previous, next)) => {
        const own = new Listeners<ReturnType<typeof selector>>(report("a subscriber of a selection"))
        let told: { readonly value: ReturnType<typeof selector> } | undefined
        const onError = report("a selector")
        const update = (context: Context) => {
          try {
            const value = selector(context)
            if (told !== undefined && !changed(told.value, value)) return
            told = { value }
            own.tell(value)
          } catch (error) {
            onError(error)
          }
        }
        return {
          get: () => selector(now().context),
          subscribe: (listener) => {
            first()
            if (!selections.has(update)) {
              // What it is now is known to whoever subscribes now.
              try {
                told = { value: selector(now().context) }
              } catch (error) {
                told = undefined
                onError(error)
              }
              selections.add(update)
            }
            return own.add(listener, () => selections.delete(update))
          }
        }
      }
    }
  }
}
