import { formatIp, parseIp, toIPv6Bytes, unmapped, withoutZone } from "../../primitives/ip-address.ts"
import {
  anyText,
  bytes as asBytes,
  type Checks,
  either,
  flag,
  holding,
  listOf,
  options,
  wholeNumber,
} from "../../primitives/option-checks.ts"
import { refuseUsage } from "../errors.ts"
import { crc32c } from "./crc32c.ts"
import { ProxyProtocolError } from "./errors.ts"
import {
  type ProxyAddress,
  type ProxyTlv,
  ProxyTlvType,
  UNIQUE_ID_MAX_BYTES,
  V2_FIXED_BYTES,
  V2_SIGNATURE,
} from "./header.ts"

/** Both ends of the client's connection. IPv4-mapped addresses are written as IPv4 when both ends are. */
export interface ProxyHeaderAddresses {
  /** The client. */
  readonly source: ProxyAddress
  /** What it connected to. */
  readonly destination: ProxyAddress
}

/** Fields that a version 2 header can carry. */
export interface ProxyHeaderFields {
  /** `PP2_TYPE_AUTHORITY`: the SNI. */
  readonly authority?: string | undefined
  /** `PP2_TYPE_ALPN`: one protocol name, without a length before it. */
  readonly alpn?: string | Uint8Array | undefined
  /** `PP2_TYPE_UNIQUE_ID`, at most 128 bytes. */
  readonly uniqueId?: string | Uint8Array | undefined
  /** Further fields, written after those above. */
  readonly tlvs?: readonly ProxyTlv[]
  /** Adds `PP2_TYPE_CRC32C`. @defaultValue false */
  readonly crc32c?: boolean
}

const utf8 = new TextEncoder()

// What they hold is looked at where it is written.
const END = holding("one end: { address, port }", (value) => typeof Object(value).address === "string")
const ADDRESSES: Checks<ProxyHeaderAddresses> = { source: END, destination: END }
const EXAMPLE = '{ address: "192.0.2.1", port: 443 }'

const FIELDS: Checks<ProxyHeaderFields> = {
  authority: anyText,
  alpn: either(anyText, asBytes),
  uniqueId: either(anyText, asBytes),
  tlvs: listOf(
    options<ProxyTlv>({ type: wholeNumber(0, 255), value: asBytes }, { type: "0xe0", value: "bytes" }),
    "fields",
  ),
  crc32c: flag,
}

/**
 * Writes a version 1 line, `PROXY UNKNOWN` without addresses.
 *
 * @throws {@link ProxyProtocolError} when an address is no IP literal or a port no port; {@link ProxyError}
 * `ERR_TLSROUTE_PROXY_USAGE` for what are no addresses
 */
export function encodeProxyV1(addresses: ProxyHeaderAddresses | undefined): Uint8Array {
  if (addresses === undefined) return utf8.encode("PROXY UNKNOWN\r\n")
  const { size, source, destination } = endpointBytes("encodeProxyV1", addresses)
  const text = (bytes: Uint8Array) =>
    size === 16 && bytes.length === 4 ? `::ffff:${bytes.join(".")}` : formatIp(bytes)
  const family = size === 4 ? "TCP4" : "TCP6"
  const ports = `${checkedPort(addresses.source)} ${checkedPort(addresses.destination)}`
  return utf8.encode(`PROXY ${family} ${text(source)} ${text(destination)} ${ports}\r\n`)
}

/**
 * Writes a version 2 header: PROXY over TCP with addresses, LOCAL without.
 *
 * @throws {@link ProxyProtocolError} when an address is no IP literal, a port no port, or a field too long;
 * {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` for what are no addresses, and a field that there is not
 */
export function encodeProxyV2(addresses: ProxyHeaderAddresses | undefined, fields: ProxyHeaderFields = {}): Uint8Array {
  refuseUsage("encodeProxyV2", fields, FIELDS)
  const endpoints = addresses === undefined ? undefined : endpointBytes("encodeProxyV2", addresses)
  const size = endpoints?.size ?? 0
  const tlvs = tlvList(fields)
  const addressBytes = endpoints === undefined ? 0 : 2 * size + 4
  const length = tlvs.reduce((sum, { value }) => sum + 3 + value.length, addressBytes)
  if (length > 0xffff) throw new ProxyProtocolError("PROXY_TOO_LONG", `${length} bytes do not fit in 65535`)

  const bytes = new Uint8Array(V2_FIXED_BYTES + length)
  const view = new DataView(bytes.buffer)
  bytes.set(V2_SIGNATURE)
  bytes[12] = endpoints === undefined ? 0x20 : 0x21
  bytes[13] = endpoints === undefined ? 0x00 : size === 4 ? 0x11 : 0x21
  view.setUint16(14, length)
  if (addresses !== undefined && endpoints !== undefined) {
    bytes.set(size === 4 ? endpoints.source : toIPv6Bytes(endpoints.source), V2_FIXED_BYTES)
    bytes.set(size === 4 ? endpoints.destination : toIPv6Bytes(endpoints.destination), V2_FIXED_BYTES + size)
    view.setUint16(V2_FIXED_BYTES + 2 * size, checkedPort(addresses.source))
    view.setUint16(V2_FIXED_BYTES + 2 * size + 2, checkedPort(addresses.destination))
  }
  let offset = V2_FIXED_BYTES + addressBytes
  for (const { type, value } of tlvs) {
    bytes[offset] = type
    view.setUint16(offset + 1, value.length)
    bytes.set(value, offset + 3)
    offset += 3 + value.length
  }
  // tlvList puts the checksum last, as zeros, which is what the sum counts it as.
  if (fields.crc32c === true) view.setUint32(bytes.length - 4, crc32c(bytes))
  return bytes
}

function tlvList(fields: ProxyHeaderFields): ProxyTlv[] {
  const tlvs: ProxyTlv[] = []
  const add = (type: number, value: string | Uint8Array | undefined) => {
    if (value !== undefined) tlvs.push({ type, value: typeof value === "string" ? utf8.encode(value) : value })
  }
  add(ProxyTlvType.authority, fields.authority)
  add(ProxyTlvType.alpn, fields.alpn)
  add(ProxyTlvType.uniqueId, fields.uniqueId)
  tlvs.push(...(fields.tlvs ?? []))
  if (tlvs.some(({ type, value }) => type === ProxyTlvType.uniqueId && value.length > UNIQUE_ID_MAX_BYTES)) {
    throw new ProxyProtocolError("PROXY_TLV_VALUE", "a unique id has at most 128 bytes")
  }
  if (fields.crc32c === true) add(ProxyTlvType.crc32c, new Uint8Array(4))
  return tlvs
}

/** A header has one family: when only one end is IPv4, both are written as IPv6. */
function endpointBytes(what: string, addresses: ProxyHeaderAddresses) {
  refuseUsage(what, addresses, ADDRESSES, { source: EXAMPLE, destination: EXAMPLE })
  const { source, destination } = addresses
  const bytes = { source: checkedAddress(source), destination: checkedAddress(destination) }
  const size: 4 | 16 = bytes.source.length === 4 && bytes.destination.length === 4 ? 4 : 16
  return { size, ...bytes }
}

function checkedAddress({ address }: ProxyAddress): Uint8Array {
  const bytes = parseIp(withoutZone(address))
  if (bytes === undefined)
    throw new ProxyProtocolError("PROXY_ADDRESS", `${JSON.stringify(address)} is no IP literal: resolve names first`)
  return unmapped(bytes)
}

function checkedPort({ port }: ProxyAddress): number {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new ProxyProtocolError("PROXY_PORT", `${String(port)} is no TCP port: it must be from 0 to 65535`)
  }
  return port
}
