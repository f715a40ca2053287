import { BlockList } from "node:net"
import { formatIp, parseIp, unmapped, withoutZone } from "../../primitives/ip-address.ts"

/** A network: an address and how many of its first bits count. */
export interface Cidr {
  /** First address of the network. */
  readonly address: string
  /** 0 to 32, or to 128. */
  readonly prefix: number
  /** As `net.BlockList` has it. */
  readonly family: "ipv4" | "ipv6"
}

/**
 * Reads `192.0.2.0/24`, `2001:db8::/32`, or a single address.
 *
 * @throws RangeError when it is none, or when bits beyond the prefix are set: `10.0.0.1/8` may be a slip for
 *   one host, and a list that admits sixteen million must not rest on a guess.
 */
export function parseCidr(text: string): Cidr {
  // In JavaScript it may be anything.
  const [address = "", prefixText, ...extra] = String(text).split("/")
  const read = parseIp(address)
  if (read === undefined || extra.length > 0) throw new RangeError(`${JSON.stringify(text)} is no address or CIDR`)
  const bytes = unmapped(read)
  const bits = 8 * bytes.length
  // An IPv4-mapped network is the IPv4 network: its first 96 bits are the mapping.
  const mapped = 8 * (read.length - bytes.length)
  const prefix = prefixText === undefined ? bits : readPrefix(prefixText) - mapped
  if (!(prefix >= 0 && prefix <= bits)) throw new RangeError(`${JSON.stringify(text)} has no prefix from 0 to ${bits}`)

  const first = bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * index))))
  if (first.some((byte, index) => byte !== bytes[index])) {
    throw new RangeError(
      `${JSON.stringify(text)} has bits set beyond its prefix; the network is ${formatIp(first)}/${prefix}`,
    )
  }
  return { address: formatIp(first), prefix, family: bits === 32 ? "ipv4" : "ipv6" }
}

function readPrefix(text: string): number {
  return /^(0|[1-9]\d{0,2})$/.test(text) ? Number(text) : Number.NaN
}

/** A list of networks to look addresses up in. */
export class CidrList {
  /** The networks in canonical form, in one order: equal for lists that are. */
  readonly text: string
  // One list for each family: a BlockList takes IPv4 addresses for IPv4-mapped ones, and would find them in `::/0`.
  readonly #ipv4 = new BlockList()
  readonly #ipv6 = new BlockList()

  /** @throws RangeError as {@link parseCidr}. */
  constructor(cidrs: readonly string[]) {
    const parsed = cidrs.map(parseCidr)
    for (const { address, prefix, family } of parsed) this.#listOf(family).addSubnet(address, prefix, family)
    this.text = parsed
      .map(({ address, prefix }) => `${address}/${prefix}`)
      .sort()
      .join(", ")
  }

  /**
   * Whether one of the networks holds the address. IPv4-mapped addresses count as IPv4, and no IPv4 address is in an
   * IPv6 network; no IP literal is in no list.
   */
  has(address: string): boolean {
    return address.includes(":") ? this.#hasIPv6(address) : this.#ipv4.check(address, "ipv4")
  }

  #hasIPv6(address: string): boolean {
    const bytes = parseIp(withoutZone(address))
    if (bytes === undefined) return false
    const family = unmapped(bytes).length === 4 ? "ipv4" : "ipv6"
    return this.#listOf(family).check(formatIp(bytes), family)
  }

  #listOf(family: Cidr["family"]): BlockList {
    return family === "ipv4" ? this.#ipv4 : this.#ipv6
  }
}

/** Who may connect. */
export interface AccessList {
  /** When given, only these networks may. */
  readonly allow?: CidrList | undefined
  /** These may not, even where allowed. */
  readonly deny?: CidrList | undefined
}

/** Whether the list lets the address connect. */
export function admits(access: AccessList, address: string): boolean {
  if (access.deny?.has(address)) return false
  return access.allow === undefined || access.allow.has(address)
}
