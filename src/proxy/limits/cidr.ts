import { BlockList } from "node:net"
import { formatIp, parseIp, unmapped, withoutZone } from "../../primitives/ip-address.ts"
import { anyText, type Checks, having, holding } from "../../primitives/option-checks.ts"
import { ProxyError, refuseArgument, refuseUsage } from "../errors.ts"

/** A network: an address and how many of its first bits count. */
export interface Cidr {
  /** First address of the network. */
  readonly address: string
  /** 0 to 32, or to 128. */
  readonly prefix: number
  /** As `net.BlockList` has it. */
  readonly family: "ipv4" | "ipv6"
}

const NETWORK = holding("an address or CIDR", (value) => typeof value === "string")
const NETWORKS = holding("a list of addresses and CIDRs", (value) => Array.isArray(value))

/**
 * Reads `192.0.2.0/24`, `2001:db8::/32`, or a single address.
 *
 * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when it is none, or when bits beyond the prefix are set:
 *   `10.0.0.1/8` may be a slip for one host, and a list that admits sixteen million must not rest on a guess.
 */
export function parseCidr(text: string): Cidr {
  refuseArgument("parseCidr", text, NETWORK)
  const [address = "", prefixText, ...extra] = text.split("/")
  const read = parseIp(address)
  if (read === undefined || extra.length > 0) {
    throw notOne(text, "is no address or CIDR: write it as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")
  }
  const bytes = unmapped(read)
  const bits = 8 * bytes.length
  // An IPv4-mapped network is the IPv4 network: its first 96 bits are the mapping.
  const mapped = 8 * (read.length - bytes.length)
  const prefix = prefixText === undefined ? bits : readPrefix(prefixText) - mapped
  if (!(prefix >= 0 && prefix <= bits)) throw notOne(text, `has no prefix from ${mapped} to ${bits + mapped}`)

  const first = bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * index))))
  if (first.some((byte, index) => byte !== bytes[index])) {
    const network = `${formatIp(first)}/${prefix}`
    throw notOne(text, `has bits set beyond its prefix; the network is ${network}, the address alone ${address}`)
  }
  return { address: formatIp(first), prefix, family: bits === 32 ? "ipv4" : "ipv6" }
}

function notOne(text: string, message: string): ProxyError {
  return new ProxyError("ERR_TLSROUTE_PROXY_USAGE", `${JSON.stringify(text)} ${message}`)
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

  /**
   * @param cidrs - addresses and networks, as {@link parseCidr} reads them
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE`, as {@link parseCidr}, and for what is no list
   */
  constructor(cidrs: readonly string[]) {
    refuseArgument("CidrList", cidrs, NETWORKS)
    const parsed = cidrs.map(parseCidr)
    for (const { address, prefix, family } of parsed) this.#listOf(family).addSubnet(address, prefix, family)
    this.text = parsed
      .map(({ address, prefix }) => `${address}/${prefix}`)
      .sort()
      .join(", ")
  }

  /**
   * Whether one of the networks holds the address. IPv4-mapped addresses count as IPv4, and no IPv4 address is in an
   * IPv6 network; what is no IP literal is in no list.
   *
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` for what is no text: whether it is denied is not to be guessed
   */
  has(address: string): boolean {
    if (typeof address !== "string") refuseArgument("has", address, anyText)
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

/** What {@link AccessList} may be. */
export const ACCESS: Checks<AccessList> = { allow: having("has"), deny: having("has") }

/**
 * Whether the list lets the address connect.
 *
 * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` for what is no such list: a slip must not let everybody in
 */
export function admits(access: AccessList, address: string): boolean {
  refuseUsage("admits", access, ACCESS)
  return isAdmitted(access, address)
}

/** The same for a list that was looked at when its policy was put in force. */
export function isAdmitted(access: AccessList, address: string): boolean {
  if (access.deny?.has(address)) return false
  return access.allow === undefined || access.allow.has(address)
}
