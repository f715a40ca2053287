import { isIP } from "../../primitives/ip-address.ts"
import { ANY_HOSTNAME, hostnameMatches, isWildcard } from "../hostnames/hostname.ts"

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
 * Whether a backendRef name without a Service is an external backend's. A Service's name never has a dot, so that one
 * with a dot can only mean DNS; one without is a Service that is missing, unless a pattern spells it out. `localhost` is
 * nobody's Service, and refused with a reason.
 */
export function meansExternal(name: string, patterns: readonly string[]): boolean {
  const host = name.toLowerCase()
  return host.includes(".") || host === "localhost" || isListed(host, patterns)
}

function isListed(host: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => pattern.toLowerCase() === host)
}

/**
 * Whether a backendRef name without a Service may be dialled as a DNS name.
 *
 * `patterns` are names: exact (`httpbin.org`), wildcard (`*.example.com`) or `*` for all. Names of the
 * machine itself and of cloud metadata services, and IP addresses, count only when a pattern spells them out.
 */
export function judgeExternalBackend(name: string, patterns: readonly string[]): ExternalBackendVerdict {
  const host = name.toLowerCase()
  if (isListed(host, patterns)) return { allowed: true, host, anyAddress: true }
  if (isIP(host) || ENDS_IN_NUMBER.test(host)) {
    return {
      allowed: false,
      why: "IP addresses are external backends only when externalBackends (--external-backends) lists them literally",
    }
  }
  if (host.length > 253 || (host !== "localhost" && !DNS_NAME.test(host))) {
    return { allowed: false, why: "it is not a DNS name with a dot" }
  }
  if (FORBIDDEN_NAMES.some((forbidden) => hostnameMatches(forbidden, host))) {
    return {
      allowed: false,
      why: "it names this machine or a metadata service; externalBackends (--external-backends) must list it literally",
    }
  }
  if (patterns.some((pattern) => isExternalPattern(pattern) && hostnameMatches(pattern.toLowerCase(), host))) {
    return { allowed: true, host, anyAddress: false }
  }
  return { allowed: false, why: "externalBackends (--external-backends) does not list it" }
}

/** Whether a pattern can match anything: a URL, a name with a port and a star in the middle of a name cannot. */
export function isExternalPattern(pattern: string): boolean {
  if (pattern === ANY_HOSTNAME || isIP(pattern)) return true
  const name = isWildcard(pattern) ? pattern.slice(2) : pattern
  return /^[a-z0-9_]([-a-z0-9_.]*[a-z0-9_])?$/i.test(name)
}
