/**
 * A set of addresses and networks, compiled for membership tests.
 *
 * An IPv4 address and its mapped IPv6 form (`::ffff:10.0.0.1`) are the same address, as in Go. A text that is no address is
 * in no set.
 *
 * @since 0.1.0
 */
import { type ParsedNetwork, parseIp } from "../../mediamtx/IpNetwork.js"

/**
 * An address as read by {@link read}: IPv4 as an unsigned 32-bit number, IPv6 as a bigint.
 *
 * @since 0.1.0
 * @category models
 */
export type Address = number | bigint | undefined

/** Dotted decimal to an unsigned 32-bit number, without allocating: most addresses on the hot path are this. */
const read4 = (text: string): number | undefined => {
  let value = 0
  let octet = -1
  let dots = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit >= 0 && digit <= 9) {
      // Go refuses leading zeros, which some read as octal.
      if (octet === 0) return undefined
      octet = octet === -1 ? digit : octet * 10 + digit
      if (octet > 255) return undefined
    } else if (digit === -2 && octet !== -1 && dots < 3) {
      value = value * 256 + octet
      octet = -1
      dots++
    } else return undefined
  }
  return dots === 3 && octet !== -1 ? value * 256 + octet : undefined
}

/**
 * Reads an address; a zone (`fe80::1%eth0`) is left out.
 *
 * @since 0.1.0
 * @category conversions
 */
export const read = (text: string): Address => {
  const four = read4(text)
  if (four !== undefined) return four
  const zone = text.indexOf("%")
  const parsed = parseIp(zone === -1 ? text : text.slice(0, zone))
  if (parsed === undefined) return undefined
  return parsed.family === 4 ? Number(parsed.address & 0xffffffffn) : parsed.address
}

/**
 * @since 0.1.0
 * @category models
 */
export interface IpSet {
  readonly has: (address: Address) => boolean
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (networks: ReadonlyArray<ParsedNetwork>): IpSet => {
  const single = new Set<number | bigint>()
  const four: Array<{ readonly network: number; readonly mask: number }> = []
  const six: Array<{ readonly network: bigint; readonly shift: bigint }> = []
  for (const { address, bits, family } of networks) {
    if (bits === 128) single.add(family === 4 ? Number(address & 0xffffffffn) : address)
    else if (family === 4) {
      const mask = bits === 96 ? 0 : (-1 << (128 - bits)) >>> 0
      four.push({ network: (Number(address & 0xffffffffn) & mask) >>> 0, mask })
    } else {
      const shift = BigInt(128 - bits)
      six.push({ network: address >> shift, shift })
    }
  }
  return {
    has: (address) => {
      if (address === undefined) return false
      if (single.has(address)) return true
      if (typeof address === "number") {
        for (const { network, mask } of four) if ((address & mask) >>> 0 === network) return true
        return false
      }
      for (const { network, shift } of six) if (address >> shift === network) return true
      return false
    }
  }
}
