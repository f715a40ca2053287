/** A tag of a stream, or what makes it one that must not be read on. */
export type XmlTag =
  /** `<?xml … ?>` */
  | { readonly kind: "declaration"; readonly attributes: ReadonlyMap<string, string> }
  /** `<name …>`, or `<name …/>`, which closes itself. */
  | {
      readonly kind: "open"
      readonly name: string
      /** Values as they are written: references to characters are left as they are. */
      readonly attributes: ReadonlyMap<string, string>
      readonly closed: boolean
    }
  /** `</name>` */
  | { readonly kind: "close"; readonly name: string }
  /** Characters outside tags that are no white space: told once for each run of them. */
  | { readonly kind: "text" }
  /** Comments, document types, processing instructions, entities: no XMPP (RFC 6120 section 11.1). */
  | { readonly kind: "restricted" }
  /** Not well formed. */
  | { readonly kind: "malformed" }

const NAME = "[A-Za-z_][A-Za-z0-9_.-]*(?::[A-Za-z_][A-Za-z0-9_.-]*)?"
const OPEN = new RegExp(`^<(${NAME})((?:\\s[^]*)?)>$`)
const CLOSE = new RegExp(`^</(${NAME})\\s*>$`)
const DECLARATION = /^<\?xml(\s[^<]*)\?>$/
/** References that need no definition: XML's own five, and those by number. */
const REFERENCES = /&(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);/g
const ATTRIBUTE = new RegExp(`\\s+(${NAME})\\s*=\\s*("[^"<]*"|'[^'<]*')`, "y")

const LESS = 0x3c
const GREATER = 0x3e
const QUOTE = 0x22
const APOSTROPHE = 0x27
const EXCLAMATION = 0x21
const WHITE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

/**
 * Finds the tags in a stream, byte by byte, without the characters between them. Reads the part of XML that a
 * stream's beginning is made of, and nothing that would have to be expanded or looked up.
 */
export class XmlTags {
  readonly #held: Buffer
  #length = 0
  #quote = 0
  #inText = false

  /** @param maxTagBytes - longest tag; one that is longer counts as malformed */
  constructor(maxTagBytes: number) {
    this.#held = Buffer.allocUnsafe(maxTagBytes)
  }

  /** Takes the next byte; tells what ends with it. Of no more use after `restricted` and `malformed`. */
  push(byte: number): XmlTag | undefined {
    if (this.#length === 0) return this.#outside(byte)
    if (this.#length === this.#held.length) return { kind: "malformed" }
    this.#held[this.#length] = byte
    this.#length += 1
    if (this.#length === 2 && byte === EXCLAMATION) return { kind: "restricted" }
    if (this.#quote !== 0) {
      if (byte === this.#quote) this.#quote = 0
      return undefined
    }
    if (byte === LESS) return { kind: "malformed" }
    if (byte === QUOTE || byte === APOSTROPHE) this.#quote = byte
    if (byte !== GREATER) return undefined
    const text = this.#held.toString("latin1", 0, this.#length)
    this.#length = 0
    return readTag(text)
  }

  #outside(byte: number): XmlTag | undefined {
    if (byte === LESS) {
      this.#held[0] = byte
      this.#length = 1
      this.#inText = false
      return undefined
    }
    if (this.#inText || WHITE.has(byte)) return undefined
    this.#inText = true
    return { kind: "text" }
  }
}

function readTag(text: string): XmlTag {
  if (text.startsWith("<?")) {
    const [, rest] = DECLARATION.exec(text) ?? []
    if (rest === undefined) return { kind: "restricted" }
    const attributes = readAttributes(rest)
    return attributes === undefined ? { kind: "malformed" } : { kind: "declaration", attributes }
  }
  const close = CLOSE.exec(text)?.[1]
  if (close !== undefined) return { kind: "close", name: close }
  const closed = text.endsWith("/>")
  const [, name, rest = ""] = OPEN.exec(closed ? `${text.slice(0, -2)}>` : text) ?? []
  if (name === undefined) return { kind: "malformed" }
  if (rest.replaceAll(REFERENCES, "").includes("&")) return { kind: "restricted" }
  const attributes = readAttributes(rest)
  return attributes === undefined ? { kind: "malformed" } : { kind: "open", name, attributes, closed }
}

function readAttributes(text: string): ReadonlyMap<string, string> | undefined {
  const attributes = new Map<string, string>()
  let at = 0
  for (;;) {
    ATTRIBUTE.lastIndex = at
    const [whole = "", name, quoted = ""] = ATTRIBUTE.exec(text) ?? []
    if (name === undefined) return text.slice(at).trim() === "" ? attributes : undefined
    if (attributes.has(name)) return undefined
    attributes.set(name, quoted.slice(1, -1))
    at += whole.length
  }
}
