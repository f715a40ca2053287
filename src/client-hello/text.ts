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

/** Most characters that {@link shownText} has. */
const SHOWN_CHARACTERS = 256

/**
 * Text of bytes that whoever sent them may have made to mislead a reader: printable ASCII as it is, everything else, and
 * what quotes and escapes are made of, as `\\x` and two hex digits. 256 characters at most, the last of them `…` where
 * more is left out.
 */
export function shownText(bytes: Uint8Array, start: number, end: number): string {
  let text = ""
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x27 && byte !== 0x5c && byte !== 0x60
    const shown = isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`
    const isLast = at === end - 1
    if (text.length + shown.length > SHOWN_CHARACTERS - (isLast ? 0 : 1)) return `${text}…`
    text += shown
  }
  return text
}

const EACH_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte)

/** Text of bytes, each as the character of its number (ISO 8859-1). */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return textOf(bytes, start, end, EACH_BYTE)
}
