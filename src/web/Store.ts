/** A value that parts of the page share, and what they are told when it changes. */
import { useEffect, useState } from "preact/hooks"

export class Store<A> {
  readonly #listeners = new Set<() => void>()
  #value: A
  constructor(initial: A) {
    this.#value = initial
  }
  get value(): A {
    return this.#value
  }
  set(value: A): void {
    if (value === this.#value) return
    this.#value = value
    for (const listener of this.#listeners) listener()
  }
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}

export const useStore = <A>(store: Store<A>): A => {
  const [value, setValue] = useState(store.value)
  useEffect(() => {
    // It may have changed between the first rendering and now.
    setValue(() => store.value)
    return store.subscribe(() => setValue(() => store.value))
  }, [store])
  return value
}
