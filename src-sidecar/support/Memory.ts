/**
 * Keeps the memory of a process that moves much data small.
 *
 * Every read of a socket is a buffer outside of V8's heap, and V8 lets 64 MB of them pile up before it looks. A look at
 * what is young, every few megabytes, finds them all and costs a millisecond.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const EVERY = 4 * 1024 * 1024

let collect: ((options: { readonly type: "minor" }) => void) | undefined

const collector = (): ((options: { readonly type: "minor" }) => void) => {
  if (collect !== undefined) return collect
  setFlagsFromString("--expose-gc")
  const found: unknown = runInNewContext("gc")
  setFlagsFromString("--no-expose-gc")
  const made = typeof found === "function" ? (options: { readonly type: "minor" }) => void found(options) : () => {}
  collect = made
  return made
}

/** To be told of all bytes that come and go. */
export const makeMeter = (): ((bytes: number) => void) => {
  let since = 0
  return (bytes) => {
    since += bytes
    if (since < EVERY) return
    since = 0
    collector()({ type: "minor" })
  }
}
