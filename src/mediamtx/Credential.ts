/**
 * User names and passwords of MediaMTX's internal user list.
 *
 * @since 0.1.0
 */
import { type FieldType, problem, textWith } from "./FieldType.js"

const plain = /^[a-zA-Z0-9!$()*+.;<=>[\]^_\-{}@#&]+$/
const sha256 = /^sha256:[a-zA-Z0-9+/=]+$/
const argon2 =
  /^argon2:\$argon2(?:d|i|id)\$v=([0-9]+)\$m=([0-9]+),t=([0-9]+),p=([0-9]+)[^$]*\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

const expected =
  "letters, digits and !$()*+.;<=>[]^_-{}@#& only, or sha256: and a base64 digest, or argon2: and an encoded hash"

/** Unpadded base64 never has one character over a multiple of four. */
const decodable = (text: string): boolean => text.length % 4 !== 1

const isArgon2 = (value: string): boolean => {
  const match = argon2.exec(value)
  if (match === null) return false
  const [, version, memory, time, lanes, salt = "", hash = ""] = match
  const within = (digits: string | undefined, limit: number) => Number(digits) >= 1 && Number(digits) <= limit
  return (
    within(version, 255) &&
    within(memory, 2 ** 32 - 1) &&
    within(time, 2 ** 32 - 1) &&
    within(lanes, 255) &&
    decodable(salt) &&
    salt.length > 1 &&
    decodable(hash) &&
    hash.length > 1
  )
}

/**
 * Only a hash is kept, which RTSP digest authentication can't work with.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isHashedCredential = (value: string): boolean => value.startsWith("sha256:") || value.startsWith("argon2:")

/**
 * The characters that a secret may have where no hash is allowed (`hlsCDNSecret`).
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPlainCredential = (value: string): boolean => plain.test(value)

/**
 * A credential: plain, `sha256:<base64>` or `argon2:$argon2id$v=19$m=..,t=..,p=..$salt$hash`. Empty means "none".
 *
 * @since 0.1.0
 * @category types
 */
export const Credential: FieldType<string> = textWith({
  name: "credential",
  expected,
  onNull: "empty",
  secret: true,
  check: (value) => {
    if (value === "") return undefined
    if (value.startsWith("sha256:")) {
      return sha256.test(value) ? undefined : problem("invalid-credential", "its sha256 digest is not base64", expected)
    }
    if (value.startsWith("argon2:")) {
      return isArgon2(value) ? undefined : problem("invalid-credential", "its argon2 hash can't be decoded", expected)
    }
    return plain.test(value)
      ? undefined
      : problem("invalid-credential", "has characters that MediaMTX refuses", expected)
  }
})
