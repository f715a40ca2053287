/** Whether a 16-bit value is one of the sixteen reserved by GREASE (RFC 8701 section 2): 0x0a0a, 0x1a1a … 0xfafa. */
export function isGrease(value: number): boolean {
  return typeof value === "number" && (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff)
}
