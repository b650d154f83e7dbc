/**
 * SHA-256, synchronously.
 *
 * WebCrypto only has it as a promise, which costs a hop off the event loop (tens of µs) on the path that answers a node;
 * this costs 0.3 µs for a password on Node and 2 to 4 µs elsewhere. Tested against WebCrypto.
 *
 * @since 0.1.0
 */
import * as Encoding from "effect/Encoding"

/** The first 32 bits of the fractional parts of `root` of the first primes: exact, as the mantissa has 53 bits. */
const constants = (count: number, root: (n: number) => number): Int32Array => {
  const out = new Int32Array(count)
  let found = 0
  for (let candidate = 2; found < count; candidate++) {
    let prime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) prime = false
    if (!prime) continue
    const value = root(candidate)
    out[found++] = (value - Math.floor(value)) * 2 ** 32
  }
  return out
}
const INITIAL = constants(8, Math.sqrt)
const K = constants(64, Math.cbrt)
/** The message schedule. Shared, as nothing else runs while a digest is computed. */
const W = new Int32Array(64)

/** The arrays have fixed lengths: the `?? 0` only satisfies the compiler. */
const at = (words: Int32Array, index: number): number => words[index] ?? 0

/**
 * The 32 bytes of the digest.
 *
 * @since 0.1.0
 * @category hashing
 */
export const sha256 = (message: Uint8Array): Uint8Array => {
  const blocks = ((message.length + 8) >> 6) + 1
  const padded = new Uint8Array(blocks * 64)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(message.length / 2 ** 29))
  view.setUint32(padded.length - 4, message.length << 3)

  const state = Int32Array.from(INITIAL)
  for (let offset = 0; offset < padded.length; offset += 64) {
    for (let i = 0; i < 16; i++) W[i] = view.getInt32(offset + i * 4)
    for (let i = 16; i < 64; i++) {
      const x = at(W, i - 15)
      const y = at(W, i - 2)
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      W[i] = at(W, i - 16) + s0 + at(W, i - 7) + s1
    }
    let a = at(state, 0)
    let b = at(state, 1)
    let c = at(state, 2)
    let d = at(state, 3)
    let e = at(state, 4)
    let f = at(state, 5)
    let g = at(state, 6)
    let h = at(state, 7)
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + at(K, i) + at(W, i)) | 0
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    // Int32Array wraps around as the algorithm wants it.
    state[0] = at(state, 0) + a
    state[1] = at(state, 1) + b
    state[2] = at(state, 2) + c
    state[3] = at(state, 3) + d
    state[4] = at(state, 4) + e
    state[5] = at(state, 5) + f
    state[6] = at(state, 6) + g
    state[7] = at(state, 7) + h
  }
  const digest = new Uint8Array(32)
  const out = new DataView(digest.buffer)
  for (let i = 0; i < 8; i++) out.setInt32(i * 4, at(state, i))
  // The schedule of the last block tells the message.
  W.fill(0)
  return digest
}

const encoder = new TextEncoder()

/** `crypto.hash` of Node 20.12 and later, a seventh of the cost. Asked for at run time: this module also runs elsewhere. */
const native = (): ((text: string) => string) | undefined => {
  // Older versions of Node, and other runtimes, lack either step.
  const node = (globalThis as { process?: Partial<NodeJS.Process> }).process
  const crypto = node?.getBuiltinModule?.("node:crypto")
  const hash = crypto?.hash
  if (hash === undefined) return undefined
  try {
    return hash("sha256", "", "base64") === portable("") ? (text) => hash("sha256", text, "base64") : undefined
  } catch {
    return undefined
  }
}

const portable = (text: string): string => Encoding.encodeBase64(sha256(encoder.encode(text)))

/**
 * The digest of a text's UTF-8 bytes in base64 with padding, as MediaMTX writes it behind `sha256:`.
 *
 * @since 0.1.0
 * @category hashing
 */
export const sha256Base64: (text: string) => string = native() ?? portable
