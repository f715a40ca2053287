import { ANY_HOSTNAME, hostnameMatches, isWildcard } from "./hostname.ts"
import { embeddedIpv4, type IpBytes, MAPPED, parseIp } from "./ip-address.ts"

/** What the `externalBackends` patterns say of a name. */
export type ExternalBackendVerdict =
  /** Allowed by a pattern. `anyAddress`: it was named itself, so it may be or resolve to any address. */
  | { readonly allowed: true; readonly host: string; readonly anyAddress: boolean }
  | { readonly allowed: false; readonly why: string }

const DNS_NAME = /^[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)+$/
/** Resolvers read names that end in a number (`127.1`, `0x7f.1`) as IPv4 addresses. */
const ENDS_IN_NUMBER = /(^|\.)(\d+|0x[0-9a-f]*)$/

const FORBIDDEN_NAMES = [
  "localhost",
  "*.localhost",
  "localhost.localdomain",
  "*.localdomain",
  "metadata.google.internal",
  "*.metadata.google.internal",
  "metadata.goog",
  "*.metadata.goog",
  "instance-data.ec2.internal",
  "metadata.azure.internal",
  "metadata.packet.net",
  "metadata.tencentyun.com",
]

/**
 * Whether a backendRef name without a Service may be dialled as a DNS name.
 *
 * `patterns` are names: exact (`httpbin.org`), wildcard (`*.example.com`) or `*` for all. Names of the
 * machine itself and of cloud metadata services, and IP addresses, count only when a pattern spells them out.
 */
export function judgeExternalBackend(name: string, patterns: readonly string[]): ExternalBackendVerdict {
  const host = name.toLowerCase()
  if (patterns.some((pattern) => pattern.toLowerCase() === host)) return { allowed: true, host, anyAddress: true }
  if (parseIp(host) !== undefined || ENDS_IN_NUMBER.test(host)) {
    return { allowed: false, why: "IP addresses are external backends only when externalBackends lists them literally" }
  }
  if (host.length > 253 || !DNS_NAME.test(host)) return { allowed: false, why: "it is not a DNS name with a dot" }
  if (FORBIDDEN_NAMES.some((forbidden) => hostnameMatches(forbidden, host))) {
    return {
      allowed: false,
      why: "it names this machine or a metadata service; externalBackends must list it literally",
    }
  }
  if (patterns.some((pattern) => isExternalPattern(pattern) && hostnameMatches(pattern.toLowerCase(), host))) {
    return { allowed: true, host, anyAddress: false }
  }
  return { allowed: false, why: "externalBackends does not list it" }
}

/**
 * Whether an address must not be dialled for an external name unless the name itself was listed: this
 * machine (loopback, unspecified), link-local, multicast, and the metadata services of clouds, also where
 * embedded in IPv4-mapped, NAT64 or 6to4 addresses. Text that is no IP address is forbidden.
 */
export function isForbiddenExternalAddress(address: string): boolean {
  const zone = address.indexOf("%")
  const bytes = parseIp(zone === -1 ? address : address.slice(0, zone))
  if (bytes === undefined) return true
  const ipv4 = [MAPPED, COMPATIBLE, NAT64]
    .map((prefix) => embeddedIpv4(bytes, prefix))
    .find((found) => found !== undefined)
  if (ipv4 !== undefined) return isForbiddenIpv4(ipv4)
  if (bytes[0] === 0x20 && bytes[1] === 0x02) return isForbiddenIpv4(bytes.slice(2, 6))
  return isForbiddenIpv6(bytes)
}

/** `::/96`: the unspecified address, loopback, and the retired IPv4-compatible form. */
const COMPATIBLE: IpBytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
/** `64:ff9b::/96`, RFC 6052. */
const NAT64: IpBytes = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]

const METADATA_IPV4 = new Set(["100.100.100.200", "168.63.129.16", "192.0.0.192"])
/** `fd00:ec2::/32` and `fd20:ce::/32`: AWS and Google Cloud serve instance metadata there. */
const METADATA_IPV6: readonly IpBytes[] = [
  [0xfd, 0x00, 0x0e, 0xc2],
  [0xfd, 0x20, 0x00, 0xce],
]

function isForbiddenIpv4(bytes: IpBytes): boolean {
  const [first = 0, second = 0] = bytes
  if (first === 0 || first === 127 || first >= 224) return true
  if (first === 169 && second === 254) return true
  return METADATA_IPV4.has(bytes.join("."))
}

function isForbiddenIpv6(bytes: IpBytes): boolean {
  const [first = 0, second = 0] = bytes
  if (first === 0xff) return true
  if (first === 0xfe && (second & 0xc0) === 0x80) return true
  return METADATA_IPV6.some((prefix) => prefix.every((byte, at) => bytes[at] === byte))
}

function isExternalPattern(pattern: string): boolean {
  return pattern === ANY_HOSTNAME || isWildcard(pattern) || !pattern.includes("*")
}
