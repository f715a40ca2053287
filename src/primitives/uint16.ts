/** The big-endian 16-bit number at an offset, as network protocols write it; bytes that are not there count as zero. */
export function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
