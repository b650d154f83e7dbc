/** A config as bytes: whether it is all there, and what it is called. */
import { createHash } from "node:crypto"
import { END_MARKER } from "../../src/mediamtx/EndMarker.js"

export interface ConfigFile {
  readonly bytes: Uint8Array
  readonly text: string
  /** SHA-256, hex. */
  readonly hash: string
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const lastLine = new RegExp(`(?:^|\\n)${END_MARKER}\\r?\\n?$`)

export const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** Undefined when the bytes are no UTF-8. */
export const configFrom = (bytes: Uint8Array): ConfigFile | undefined => {
  try {
    return { bytes, text: utf8.decode(bytes), hash: hashOf(bytes) }
  } catch {
    return undefined
  }
}

/** It holds something and ends with the manager's last line: what was cut off somewhere, or is no config, does not. */
export const isWhole = (text: string): boolean =>
  lastLine.test(text) && text.slice(0, text.lastIndexOf(END_MARKER)).trim() !== ""
