/**
 * UUIDv7 (RFC 9562): 48 bits of time, 12 that count within a millisecond, 62 of chance. The chance is cryptographic, as the
 * ids stand in addresses that nobody should be able to guess.
 *
 * @internal
 */
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** Makes ids that rise, also within a millisecond and when the clock is set back. */
export const makeUuidV7 = (): ((millis: number) => string) => {
  let last = 0
  let count = 0
  return (millis) => {
    const bytes = crypto.getRandomValues(new Uint8Array(16))
    if (millis > last) {
      last = millis
      // Half of the range stays free to count in.
      count = (((bytes[6] ?? 0) & 0x07) << 8) | (bytes[7] ?? 0)
    } else if (++count > 0xfff) {
      last++
      count = 0
    }
    let time = last
    for (let i = 5; i >= 0; i--) {
      bytes[i] = time % 256
      time = Math.floor(time / 256)
    }
    bytes[6] = 0x70 | (count >> 8)
    bytes[7] = count & 0xff
    bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
    const text = Array.from(bytes, (byte) => hex[byte]).join("")
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
  }
}
