import { hexDigest } from "./digest.ts"
import type { Fingerprinted } from "./fingerprinted.ts"
import { isGrease } from "./grease.ts"

const SERVER_NAME = 0
const ALPN = 16

const VERSIONS: Readonly<Record<number, string>> = {
  772: "13",
  771: "12",
  770: "11",
  769: "10",
  768: "s3",
  2: "s2",
}

/** JA4 fingerprint: a readable prefix, then truncated SHA-256 digests of the sorted ciphers and of the sorted extensions. */
export function ja4(hello: Fingerprinted): string {
  const ciphers = hello.cipherSuites.filter((suite) => !isGrease(suite))
  const extensions = hello.extensionTypes.filter((type) => !isGrease(type))
  const name = extensions.includes(SERVER_NAME) ? "d" : "i"
  const version = VERSIONS[hello.highestVersion] ?? "00"
  const transport = hello.transport === "quic" ? "q" : "t"
  const head = `${transport}${version}${name}${count(ciphers)}${count(extensions)}${alpn(hello.firstAlpnProtocols(256)[0])}`
  return `${head}_${digest(sortedHex(ciphers))}_${digest(extensionText(hello, extensions))}`
}

function extensionText(hello: Fingerprinted, extensions: readonly number[]): string {
  if (extensions.length === 0) return ""
  const types = sortedHex(extensions.filter((type) => type !== SERVER_NAME && type !== ALPN))
  // Signature algorithms keep the client's order: it tells implementations apart.
  const algorithms = hello.signatureAlgorithms.filter((algorithm) => !isGrease(algorithm))
  return algorithms.length === 0 ? types : `${types}_${hexList(algorithms)}`
}

/** Sorted as numbers, which is the order of their text. */
function sortedHex(values: readonly number[]): string {
  return hexList(new Uint16Array(values).sort())
}

const HEX = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0))
const COMMA = 0x2c
const ascii = new TextDecoder()

/** Four digits each, with commas between. Not of many short strings: a client may send 32 000 values to be told apart by. */
function hexList(values: ArrayLike<number>): string {
  if (values.length === 0) return ""
  const text = new Uint8Array(5 * values.length - 1).fill(COMMA)
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? 0
    const at = 5 * index
    text[at] = HEX[value >> 12] ?? 0
    text[at + 1] = HEX[(value >> 8) & 15] ?? 0
    text[at + 2] = HEX[(value >> 4) & 15] ?? 0
    text[at + 3] = HEX[value & 15] ?? 0
  }
  return ascii.decode(text)
}

function count(values: readonly number[]): string {
  return String(Math.min(values.length, 99)).padStart(2, "0")
}

function digest(text: string): string {
  return text === "" ? "000000000000" : hexDigest("sha256", text).slice(0, 12)
}

function alpn(protocol: string | undefined): string {
  if (protocol === undefined || protocol === "") return "00"
  const first = protocol.charAt(0)
  const last = protocol.charAt(protocol.length - 1)
  if (/^[0-9A-Za-z]{2}$/.test(first + last)) return first + last
  const byte = (char: string) => char.charCodeAt(0).toString(16).padStart(2, "0")
  return byte(first).charAt(0) + byte(last).charAt(1)
}
