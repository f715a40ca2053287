import { canonicalIp, isIPv4 } from "../../primitives/ip-address.ts"
import { ProxyProtocolError } from "./errors.ts"
import type { ProxyHeader } from "./header.ts"

/** Reads a whole version 1 line, line feed included. @throws {@link ProxyProtocolError} */
export function parseV1(line: Uint8Array): ProxyHeader {
  if (line[line.length - 2] !== 0x0d) throw syntax("the line must end with CRLF")
  const text = String.fromCharCode(...line.subarray(0, -2))
  if (/[^\x20-\x7e]/.test(text)) throw syntax("the line holds characters outside printable ASCII")
  // Section 2.1: the receiver must ignore anything presented before the CRLF of an UNKNOWN line.
  if (text === "PROXY UNKNOWN" || text.startsWith("PROXY UNKNOWN ")) return header(undefined)

  const [, family, source = "", destination = "", sourcePort = "", destinationPort = "", ...extra] = text.split(" ")
  if (family !== "TCP4" && family !== "TCP6") throw syntax("the protocol must be TCP4, TCP6 or UNKNOWN")
  if (destinationPort === "" || extra.length > 0) throw syntax("the line must have two addresses and two ports")
  return header({
    source: { address: address(family, source), port: port(sourcePort) },
    destination: { address: address(family, destination), port: port(destinationPort) },
  })
}

function header(addresses: ProxyHeader["addresses"]): ProxyHeader {
  return {
    version: 1,
    command: "proxy",
    addresses,
    authority: undefined,
    alpn: undefined,
    uniqueId: undefined,
    ssl: undefined,
    tlvs: [],
  }
}

function address(family: "TCP4" | "TCP6", text: string): string {
  const canonical = isIPv4(text) === (family === "TCP4") ? canonicalIp(text) : undefined
  if (canonical === undefined) throw new ProxyProtocolError("PROXY_ADDRESS", `an address is no ${family} literal`)
  return canonical
}

/** Section 2.1: no leading zeroes, lest a number be read as octal. */
function port(text: string): number {
  const value = /^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= 65535)) throw new ProxyProtocolError("PROXY_PORT", "a port is no number from 0 to 65535")
  return value
}

function syntax(message: string): ProxyProtocolError {
  return new ProxyProtocolError("PROXY_LINE_SYNTAX", message)
}
