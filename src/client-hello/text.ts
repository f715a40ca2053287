/**
 * Text of bytes, each turned into a character code by a table. Eight characters per string: V8 joins few long
 * strings sooner than many short ones, and takes longer to make a view for a decoder than to read the bytes here.
 */
export function textOf(bytes: Uint8Array, start: number, end: number, codes: Uint8Array): string {
  let text = ""
  let at = start
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      codes[bytes[at] as number] as number,
      codes[bytes[at + 1] as number] as number,
      codes[bytes[at + 2] as number] as number,
      codes[bytes[at + 3] as number] as number,
      codes[bytes[at + 4] as number] as number,
      codes[bytes[at + 5] as number] as number,
      codes[bytes[at + 6] as number] as number,
      codes[bytes[at + 7] as number] as number,
    )
  }
  for (; at < end; at += 1) text += String.fromCharCode(codes[bytes[at] as number] as number)
  return text
}

const EACH_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte)

/** Text of bytes, each as the character of its number (ISO 8859-1). */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return textOf(bytes, start, end, EACH_BYTE)
}
