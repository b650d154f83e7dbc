/**
 * IP addresses and CIDR networks, read as strictly as Go's `net` package reads them.
 *
 * @since 0.1.0
 */
import { type FieldType, problem, textWith } from "./FieldType.js"

/**
 * Sixteen bytes as one number (an IPv4 address is mapped into `::ffff:0:0/96`), and how many leading bits count.
 *
 * @since 0.1.0
 * @category models
 */
export interface ParsedNetwork {
  readonly address: bigint
  readonly bits: number
  readonly family: 4 | 6
}

const mapped = 0xffffn << 32n
const octet = /^(?:0|[1-9][0-9]{0,2})$/
const group = /^[0-9a-fA-F]{1,4}$/

const parse4 = (text: string): bigint | undefined => {
  const parts = text.split(".")
  if (parts.length !== 4) return undefined
  let value = 0n
  for (const part of parts) {
    if (!octet.test(part) || Number(part) > 255) return undefined
    value = (value << 8n) | BigInt(part)
  }
  return value
}

const parse6 = (text: string): bigint | undefined => {
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  const groupsOf = (half: string, last: boolean): Array<bigint> | undefined => {
    if (half === "") return []
    const parts = half.split(":")
    const groups: Array<bigint> = []
    for (const [index, part] of parts.entries()) {
      if (last && index === parts.length - 1 && part.includes(".")) {
        const tail = parse4(part)
        if (tail === undefined) return undefined
        groups.push(tail >> 16n, tail & 0xffffn)
      } else if (group.test(part)) groups.push(BigInt(`0x${part}`))
      else return undefined
    }
    return groups
  }
  const [left = "", right] = halves
  const head = groupsOf(left, right === undefined)
  const tail = right === undefined ? [] : groupsOf(right, true)
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (right === undefined ? missing !== 0 : missing < 1) return undefined
  return [...head, ...Array.from({ length: missing }, () => 0n), ...tail].reduce((sum, next) => (sum << 16n) | next, 0n)
}

/**
 * Parses one IP address; zones (`fe80::1%eth0`) are not taken.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseIp = (text: string): ParsedNetwork | undefined => {
  if (text.length > 45) return undefined
  if (!text.includes(":")) {
    const four = parse4(text)
    return four === undefined ? undefined : { address: mapped | four, bits: 128, family: 4 }
  }
  const six = parse6(text)
  if (six === undefined) return undefined
  return { address: six, bits: 128, family: six >> 32n === 0xffffn ? 4 : 6 }
}

/**
 * Parses an IP address or a CIDR network.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseIpNetwork = (text: string): ParsedNetwork | undefined => {
  const slash = text.indexOf("/")
  if (slash === -1) return parseIp(text)
  const address = parseIp(text.slice(0, slash))
  const digits = text.slice(slash + 1)
  if (address === undefined || !/^[0-9]{1,4}$/.test(digits)) return undefined
  const four = !text.slice(0, slash).includes(":")
  const prefix = Number(digits)
  if (prefix > (four ? 32 : 128)) return undefined
  const bits = four ? prefix + 96 : prefix
  // A mapped prefix shorter than the mapping itself no longer is an IPv4 network.
  return { address: address.address, bits, family: address.family === 4 && bits >= 96 ? 4 : 6 }
}

/**
 * Whether an address lies in a network. An IPv4 address and its mapped IPv6 form are the same address.
 *
 * @since 0.1.0
 * @category predicates
 */
export const networkContains = (network: ParsedNetwork, ip: ParsedNetwork): boolean => {
  if (network.family !== ip.family) return false
  const shift = BigInt(128 - network.bits)
  return network.address >> shift === ip.address >> shift
}

const expected = 'an IP address or CIDR network, such as "10.0.0.7", "192.168.0.0/16" or "fd00::/8"'

/**
 * An IP address or CIDR network.
 *
 * @since 0.1.0
 * @category types
 */
export const IpNetwork: FieldType<string> = textWith({
  name: "IP or CIDR",
  expected,
  onNull: "refused",
  meaning: (value) => {
    const network = parseIpNetwork(value)
    if (network === undefined) return value
    // The host's bits are cut off: 10.0.0.7/8 is 10.0.0.0/8.
    const shift = BigInt(128 - network.bits)
    return `${((network.address >> shift) << shift).toString(16)}/${network.bits}`
  },
  check: (value) =>
    parseIpNetwork(value) === undefined
      ? problem("invalid-ip-network", `${JSON.stringify(value.slice(0, 60))} is not an IP or CIDR`, expected)
      : undefined
})
