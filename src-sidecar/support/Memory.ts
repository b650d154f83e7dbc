/**
 * Keeps the memory of a process that moves much data small.
 *
 * Every read of a socket is a buffer outside of V8's heap, and V8 lets 64 MB of them pile up before it looks. A look at
 * what is young, every megabyte, finds them all and costs a fraction of a millisecond.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const EVERY = 1024 * 1024
const LARGE = 256 * 1024

type Collect = (options: { readonly type: "minor" | "major" }) => void

let collect: Collect | undefined

const collector = (): Collect => {
  if (collect !== undefined) return collect
  setFlagsFromString("--expose-gc")
  const found: unknown = runInNewContext("gc")
  setFlagsFromString("--no-expose-gc")
  const made =
    typeof found === "function" ? (options: { readonly type: "minor" | "major" }) => void found(options) : () => {}
  collect = made
  return made
}

/** To be told when so many bytes were worked on that they, and what was made of them, should not wait to be found. */
export const tidyAfter = (bytes: number): void => {
  if (bytes >= LARGE) collector()({ type: "major" })
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
