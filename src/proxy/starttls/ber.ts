/** Tags of ASN.1's own types. */
export const BOOLEAN = 0x01
/** See {@link BOOLEAN}. */
export const INTEGER = 0x02
/** See {@link BOOLEAN}. */
export const OCTET_STRING = 0x04
/** See {@link BOOLEAN}. */
export const ENUMERATED = 0x0a
/** See {@link BOOLEAN}. */
export const SEQUENCE = 0x30

/** An element of BER: a tag, and what it holds. */
export interface Element {
  readonly tag: number
  readonly content: Buffer
  /** Where the next one begins. */
  readonly end: number
}

/** The element that begins at a place; `undefined` where none does that is whole. */
export function elementAt(bytes: Buffer, at: number | undefined): Element | undefined {
  if (at === undefined || at >= bytes.length) return undefined
  const header = lengthAt(bytes, at + 1)
  if (header === "incomplete" || header === "invalid") return undefined
  const end = header.end + header.length
  if (end > bytes.length) return undefined
  return { tag: bytes[at] ?? 0, content: bytes.subarray(header.end, end), end }
}

/** Length of an element, and where its content begins. RFC 4511 section 5.1: the definite form only. Some clients always write four bytes of length. */
export function lengthAt(
  bytes: Buffer,
  at: number,
): { readonly length: number; readonly end: number } | "incomplete" | "invalid" {
  const first = bytes[at]
  if (first === undefined) return "incomplete"
  if (first < 0x80) return { length: first, end: at + 1 }
  const size = first - 0x80
  if (size === 0 || size > 4) return "invalid"
  if (at + 1 + size > bytes.length) return "incomplete"
  return { length: bytes.readUIntBE(at + 1, size), end: at + 1 + size }
}

/** Writes an element of up to 65 535 bytes. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  const length = content.length < 0x80 ? [content.length] : [0x82, content.length >>> 8, content.length & 0xff]
  return Buffer.concat([Uint8Array.of(tag, ...length), content])
}

/** Writes a number from 0 to 2^32 - 1. */
export function integer(value: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes.writeUInt32BE(value, 1)
  const first = bytes.findIndex((byte, at) => byte !== 0 || at === 4)
  // A first bit that is set would make it negative.
  return element(INTEGER, bytes.subarray((bytes[first] ?? 0) > 0x7f ? first - 1 : first))
}
