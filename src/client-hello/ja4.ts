import { hexDigest } from "./digest.ts"
import { isGrease } from "./grease.ts"
import type { ClientHello } from "./hello.ts"

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
export function ja4(hello: ClientHello): string {
  const ciphers = hello.cipherSuites.filter((suite) => !isGrease(suite))
  const extensions = hello.extensionTypes.filter((type) => !isGrease(type))
  const name = extensions.includes(SERVER_NAME) ? "d" : "i"
  const version = VERSIONS[hello.highestVersion] ?? "00"
  const head = `t${version}${name}${count(ciphers)}${count(extensions)}${alpn(hello.firstAlpnProtocols(256)[0])}`
  return `${head}_${digest(sortedHex(ciphers))}_${digest(extensionText(hello, extensions))}`
}

function extensionText(hello: ClientHello, extensions: readonly number[]): string {
  if (extensions.length === 0) return ""
  const types = sortedHex(extensions.filter((type) => type !== SERVER_NAME && type !== ALPN))
  // Signature algorithms keep the client's order: it tells implementations apart.
  const algorithms = hello.signatureAlgorithms.filter((algorithm) => !isGrease(algorithm)).map(hex)
  return algorithms.length === 0 ? types : `${types}_${algorithms.join(",")}`
}

function sortedHex(values: readonly number[]): string {
  return values.map(hex).sort().join(",")
}

function hex(value: number): string {
  return value.toString(16).padStart(4, "0")
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
