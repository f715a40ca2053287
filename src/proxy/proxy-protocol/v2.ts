import { formatIp } from "../../primitives/ip-address.ts"
import { uint16 } from "../../primitives/uint16.ts"
import { crc32c } from "./crc32c.ts"
import { ProxyProtocolError } from "./errors.ts"
import {
  type ProxyAddress,
  type ProxyHeader,
  type ProxyTlv,
  ProxyTlvType,
  UNIQUE_ID_MAX_BYTES,
  V2_FIXED_BYTES,
} from "./header.ts"

const AUTHORITY_MAX_BYTES = 255
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Bytes of addresses by family nibble: unspecified, IPv4, IPv6, Unix. */
const ADDRESS_BYTES = [0, 12, 36, 216] as const

/** Length of the whole header from its first 16 bytes. @throws {@link ProxyProtocolError} if they cannot begin one. */
export function declaredV2Bytes(bytes: Uint8Array): number {
  const version = byteAt(bytes, 12) >> 4
  if (version !== 2) throw new ProxyProtocolError("PROXY_VERSION", `version ${version} is not 2`)
  const command = byteAt(bytes, 12) & 0x0f
  if (command > 1) throw new ProxyProtocolError("PROXY_COMMAND", `command ${command} is neither LOCAL nor PROXY`)
  const length = uint16(bytes, 14)
  // Section 2.2: a LOCAL header's family and addresses are discarded unread.
  if (command === 0) return V2_FIXED_BYTES + length

  const needed = ADDRESS_BYTES[byteAt(bytes, 13) >> 4]
  if (needed === undefined || (byteAt(bytes, 13) & 0x0f) > 2) {
    throw new ProxyProtocolError("PROXY_FAMILY", `family and transport 0x${byteAt(bytes, 13).toString(16)} unknown`)
  }
  // What carries the header is a stream: who sends it means another connection, or nothing that can be answered.
  if ((byteAt(bytes, 13) & 0x0f) === 2) {
    throw new ProxyProtocolError("PROXY_DATAGRAM", "the header describes datagrams, sent over a TCP connection")
  }
  if (length < needed) {
    throw new ProxyProtocolError("PROXY_TRUNCATED_ADDRESSES", `${length} bytes cannot hold ${needed} of addresses`)
  }
  return V2_FIXED_BYTES + length
}

/** Reads a whole version 2 header whose first 16 bytes {@link declaredV2Bytes} has checked. @throws {@link ProxyProtocolError} */
export function parseV2(bytes: Uint8Array): ProxyHeader {
  if ((byteAt(bytes, 12) & 0x0f) === 0) return header("local", undefined, [])
  const family = byteAt(bytes, 13) >> 4
  // Without a transport the addresses say nothing that can be relied on (section 2.2, UNSPEC).
  const isStream = (byteAt(bytes, 13) & 0x0f) === 1
  const addressBytes = ADDRESS_BYTES[family] ?? 0
  const tlvs = readTlvs(bytes.subarray(V2_FIXED_BYTES + addressBytes))
  verifyChecksum(bytes, tlvs)
  return header("proxy", isStream ? readAddresses(family, bytes) : undefined, tlvs)
}

function header(command: ProxyHeader["command"], addresses: ProxyHeader["addresses"], tlvs: ProxyTlv[]): ProxyHeader {
  const uniqueId = single(tlvs, ProxyTlvType.uniqueId)
  if (uniqueId !== undefined && uniqueId.length > UNIQUE_ID_MAX_BYTES) {
    throw new ProxyProtocolError("PROXY_TLV_VALUE", `the unique id has ${uniqueId.length} bytes; at most 128`)
  }
  return {
    version: 2,
    command,
    addresses,
    authority: authority(single(tlvs, ProxyTlvType.authority)),
    alpn: single(tlvs, ProxyTlvType.alpn),
    uniqueId,
    ssl: single(tlvs, ProxyTlvType.ssl),
    tlvs,
  }
}

function readAddresses(family: number, bytes: Uint8Array): ProxyHeader["addresses"] {
  if (family !== 1 && family !== 2) return undefined
  const size = family === 1 ? 4 : 16
  const ports = V2_FIXED_BYTES + 2 * size
  const end = (index: 0 | 1): ProxyAddress => ({
    address: formatIp(bytes.subarray(V2_FIXED_BYTES + index * size, V2_FIXED_BYTES + (index + 1) * size)),
    port: uint16(bytes, ports + 2 * index),
  })
  return { source: end(0), destination: end(1) }
}

/** Lengths count within the header only: a field that reached into the payload would hand its bytes to the sender. */
function readTlvs(bytes: Uint8Array): ProxyTlv[] {
  const tlvs: ProxyTlv[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const start = offset + 3
    const end = start > bytes.length ? start : start + uint16(bytes, offset + 1)
    if (end > bytes.length) throw new ProxyProtocolError("PROXY_TRUNCATED_TLV", "a field runs past the header")
    tlvs.push({ type: byteAt(bytes, offset), value: new Uint8Array(bytes.subarray(start, end)) })
    offset = end
  }
  return tlvs
}

function single(tlvs: readonly ProxyTlv[], type: number): Uint8Array | undefined {
  let found: Uint8Array | undefined
  for (const tlv of tlvs) {
    if (tlv.type !== type) continue
    if (found !== undefined) {
      throw new ProxyProtocolError("PROXY_DUPLICATE_TLV", `field type 0x${type.toString(16)} comes twice`)
    }
    found = tlv.value
  }
  return found
}

/** The sum is taken over the whole header, with the field that carries it as zeros. */
function verifyChecksum(bytes: Uint8Array, tlvs: readonly ProxyTlv[]): void {
  const sent = single(tlvs, ProxyTlvType.crc32c)
  if (sent === undefined) return
  if (sent.length !== 4) throw new ProxyProtocolError("PROXY_TLV_VALUE", "the CRC-32C field must have 4 bytes")
  // Not slice(): of a Buffer it would be a view, and the zeros would land in the bytes received.
  const copy = new Uint8Array(bytes)
  const offset = checksumOffset(bytes, tlvs)
  copy.fill(0, offset, offset + 4)
  if (crc32c(copy) !== ((uint16(sent, 0) << 16) | uint16(sent, 2)) >>> 0) {
    throw new ProxyProtocolError("PROXY_CHECKSUM", "the CRC-32C does not match the header")
  }
}

function checksumOffset(bytes: Uint8Array, tlvs: readonly ProxyTlv[]): number {
  let offset = bytes.length
  for (let index = tlvs.length - 1; index >= 0; index--) {
    offset -= tlvs[index]?.value.length ?? 0
    if (tlvs[index]?.type === ProxyTlvType.crc32c) return offset
    offset -= 3
  }
  return offset
}

function authority(value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined
  if (value.length > AUTHORITY_MAX_BYTES) {
    throw new ProxyProtocolError("PROXY_TLV_VALUE", `the authority has ${value.length} bytes; at most 255`)
  }
  try {
    return utf8.decode(value)
  } catch {
    throw new ProxyProtocolError("PROXY_TLV_VALUE", "the authority is not UTF-8")
  }
}

function byteAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset] ?? 0
}
