/**
 * A file that is still coming in, and is read at the same time: what has been written so far, and whether more will come.
 */
import type { FileHandle } from "node:fs/promises"

export interface Growing {
  /** Read through this: it gets its final name in the middle. */
  readonly file: FileHandle
  /** Resolves when this many bytes are there; rejects when they never will be. */
  readonly reached: (bytes: number) => Promise<void>
  /** So many bytes are there now, in all. */
  readonly grown: (bytes: number) => void
  /** No more will come. */
  readonly end: () => void
  readonly ended: () => boolean
}

export const make = (file: FileHandle): Growing => {
  let there = 0
  let ended = false
  let waiting: Array<{
    readonly bytes: number
    readonly resolve: () => void
    readonly reject: (error: Error) => void
  }> = []
  const look = () => {
    const still: typeof waiting = []
    for (const each of waiting) {
      if (there >= each.bytes) each.resolve()
      else if (ended) each.reject(new Error("the cut ended before it was whole"))
      else still.push(each)
    }
    waiting = still
  }
  return {
    file,
    reached: (bytes) =>
      there >= bytes
        ? Promise.resolve()
        : new Promise((resolve, reject) => {
            waiting.push({ bytes, resolve, reject })
            look()
          }),
    grown: (bytes) => {
      there = bytes
      look()
    },
    end: () => {
      ended = true
      look()
    },
    ended: () => ended
  }
}
