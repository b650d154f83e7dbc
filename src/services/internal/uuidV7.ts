/**
 * UUIDv7 (RFC 9562): 48 bits of time, 74 bits of chance. The chance is cryptographic, as the ids stand in addresses that
 * nobody should be able to guess.
 *
 * @internal
 */
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

export const uuidV7 = (millis: number): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  let time = millis
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256
    time = Math.floor(time / 256)
  }
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
  const text = Array.from(bytes, (byte) => hex[byte]).join("")
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
}
