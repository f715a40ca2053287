import { BlockList, isIP } from "node:net"
import { formatIp, parseIp, withoutZone } from "../../primitives/ip-address.ts"
import { uint16 } from "../../primitives/uint16.ts"

/** Where a name must not lead by itself: whoever controls a DNS zone would reach into this machine or its cloud's metadata. */
const FORBIDDEN: readonly (readonly [network: string, prefix: number, family: "ipv4" | "ipv6"])[] = [
  // "This host on this network" (RFC 1122 section 3.2.1.3); Linux takes 0.0.0.0 for loopback.
  ["0.0.0.0", 8, "ipv4"],
  // Loopback (RFC 1122).
  ["127.0.0.0", 8, "ipv4"],
  // Link-local (RFC 3927), with the clouds' metadata service at 169.254.169.254.
  ["169.254.0.0", 16, "ipv4"],
  // Metadata services outside of link-local: Alibaba Cloud, Azure, Oracle Cloud.
  ["100.100.100.200", 32, "ipv4"],
  ["168.63.129.16", 32, "ipv4"],
  ["192.0.0.192", 32, "ipv4"],
  // Multicast (RFC 5771), reserved and broadcast (RFC 1112).
  ["224.0.0.0", 4, "ipv4"],
  ["240.0.0.0", 4, "ipv4"],
  // Unspecified and loopback (RFC 4291).
  ["::", 127, "ipv6"],
  // Link-local (RFC 4291).
  ["fe80::", 10, "ipv6"],
  // Metadata services over IPv6: Amazon and Google Cloud.
  ["fd00:ec2::", 32, "ipv6"],
  ["fd20:ce::", 32, "ipv6"],
  // Multicast (RFC 4291).
  ["ff00::", 8, "ipv6"],
]

const forbidden = new BlockList()
for (const [network, prefix, family] of FORBIDDEN) forbidden.addSubnet(network, prefix, family)

/**
 * Whether an address that came out of DNS may be dialled: not loopback, link-local, multicast, unspecified,
 * nor a cloud's metadata service, an IPv4 address within an IPv6 one (mapped, NAT64 under `64:ff9b::/96`, or 6to4)
 * included. Private networks may: backends live there. What is no IP address may not: where a name leads is not known yet.
 */
export function isSafeDestination(address: string): boolean {
  const version = typeof address === "string" ? isIP(address) : 0
  if (version === 0) return false
  if (version === 4) return !forbidden.check(address, "ipv4")
  if (forbidden.check(address, "ipv6")) return false
  const embedded = embeddedIPv4(address)
  return embedded === undefined || !forbidden.check(embedded, "ipv4")
}

/** Prefixes of addresses that the system or a translator sends to the IPv4 address in their last 32 bits. */
const BEFORE_IPV4 = ["::ffff:0:0", "::", "64:ff9b::"].map((prefix) => parseIp(prefix)?.subarray(0, 12))

function embeddedIPv4(address: string): string | undefined {
  const bytes = parseIp(withoutZone(address))
  if (bytes === undefined) return undefined
  // 6to4 (RFC 3056) has it right behind its prefix.
  if (uint16(bytes, 0) === 0x2002) return formatIp(bytes.subarray(2, 6))
  const isTranslated = BEFORE_IPV4.some((prefix) => prefix?.every((byte, at) => byte === bytes[at]))
  return isTranslated ? formatIp(bytes.subarray(12)) : undefined
}
