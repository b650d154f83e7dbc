/**
 * SHA-256, synchronously.
 *
 * WebCrypto only has it as a promise, which costs a hop off the event loop (tens of µs) on the path that answers a node;
 * this costs about 2 µs for a password. Tested against WebCrypto.
 *
 * @since 0.1.0
 */
import * as Encoding from "effect/Encoding"

/** The first 32 bits of the fractional parts of `root` of the first primes: exact, as the mantissa has 53 bits. */
const constants = (count: number, root: (n: number) => number): Uint32Array => {
  const out = new Uint32Array(count)
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

  const state = Uint32Array.from(INITIAL)
  const w = new Int32Array(64)
  // Typed arrays of fixed length: the `?? 0` only satisfy the compiler.
  const at = (words: Int32Array | Uint32Array, index: number): number => words[index] ?? 0
  for (let offset = 0; offset < padded.length; offset += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(offset + i * 4)
    for (let i = 16; i < 64; i++) {
      const x = at(w, i - 15)
      const y = at(w, i - 2)
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      w[i] = at(w, i - 16) + s0 + at(w, i - 7) + s1
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + at(K, i) + at(w, i)) | 0
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
    for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) state[i] = at(state, i) + value
  }
  const digest = new Uint8Array(32)
  const out = new DataView(digest.buffer)
  for (const [i, word] of state.entries()) out.setUint32(i * 4, word)
  return digest
}

const encoder = new TextEncoder()

/**
 * The digest of a text's UTF-8 bytes in base64 with padding, as MediaMTX writes it behind `sha256:`.
 *
 * @since 0.1.0
 * @category hashing
 */
export const sha256Base64 = (text: string): string => Encoding.encodeBase64(sha256(encoder.encode(text)))
