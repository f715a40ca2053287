import { isIP } from "node:net"
import { ClientHelloError } from "../../client-hello/errors.ts"
import { readHostName } from "../../client-hello/server-name.ts"
import { InvalidArgumentError, Option } from "./commander.ts"

/** Reads a TCP port; 0 only where the system may choose. */
export function parsePort(text: string): number {
  if (!isPort(text) || text === "0") throw new InvalidArgumentError("Expected a port from 1 to 65535.")
  return Number(text)
}

/** Reads a TCP port, or 0 to let the system choose. */
export function parseLocalPort(text: string): number {
  if (!isPort(text)) throw new InvalidArgumentError("Expected a port from 0 to 65535.")
  return Number(text)
}

/** Reads a positive number of seconds, or 0, into milliseconds. */
export function parseSeconds(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError("Expected a number of seconds.")
  return Number(text) * 1_000
}

/** A flag that takes seconds and tells its default in them. The value is in milliseconds. */
export function secondsOption(flags: string, description: string, standard: number): Option {
  return new Option(flags, description).argParser(parseSeconds).default(standard * 1_000, String(standard))
}

/** Reads a server name as the ClientHello parser does: what it refuses reaches no route. */
export function parseServerName(text: string): string {
  const bytes = Buffer.from(text)
  let name: string | undefined
  try {
    name = readHostName(bytes, 0, bytes.length)
  } catch (error) {
    if (!(error instanceof ClientHelloError)) throw error
    throw new InvalidArgumentError(`A ClientHello with it is refused: ${error.message} [${error.code}].`)
  }
  if (name !== undefined) return name
  throw new InvalidArgumentError(
    "An IP address is no server name: clients that send one are routed like those without.",
  )
}

/** Reads the name of a namespace, a DNS label. */
export function parseNamespace(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError("Expected a DNS label: lower-case letters, digits and hyphens.")
  }
  return text
}

/** Reads an IP address. */
export function parseAddress(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError("Expected an IP address.")
  return text
}

/** Adds `GATEWAY_PORT:LOCAL_PORT` to the ports mapped so far. */
export function parsePortMapping(
  text: string,
  previous: Readonly<Record<number, number>> = {},
): Readonly<Record<number, number>> {
  const [gatewayPort = "", localPort = "", ...more] = text.split(":")
  if (!isPort(gatewayPort) || gatewayPort === "0" || !isPort(localPort) || more.length > 0) {
    throw new InvalidArgumentError("Expected GATEWAY_PORT:LOCAL_PORT, for example 443:8443.")
  }
  return { ...previous, [Number(gatewayPort)]: Number(localPort) }
}

/**
 * Adds `HOST:PORT:ADDR[:PORT]` to the fixed answers so far, as `host:port` to `address[:port]`. An IPv6 address
 * stands in brackets. A host given more than once has several addresses.
 */
export function parseResolve(
  text: string,
  previous: Readonly<Record<string, readonly string[]>> = {},
): Readonly<Record<string, readonly string[]>> {
  const [, host = "", port = "", bracketed, plain = "", addressPort] =
    /^([^:[\]]+):(\d+):(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? []
  const address = bracketed ?? plain
  const family = bracketed === undefined ? 4 : 6
  const sound = isPort(port) && port !== "0" && isIP(address) === family && (addressPort ?? "1") !== "0"
  if (!sound || (addressPort !== undefined && !isPort(addressPort))) {
    throw new InvalidArgumentError("Expected HOST:PORT:ADDR[:PORT], for example httpbin.org:443:127.0.0.1:8443.")
  }
  const key = `${host.toLowerCase()}:${port}`
  const target = addressPort === undefined ? address : `${bracketed ? `[${address}]` : address}:${addressPort}`
  return { ...previous, [key]: [...(previous[key] ?? []), target] }
}

/** Adds the comma-separated words of a flag to those given so far. */
export function parseList(text: string, previous: readonly string[] = []): readonly string[] {
  const words = text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "")
  if (words.length === 0) throw new InvalidArgumentError("Expected one or more values with commas between.")
  return [...previous, ...words]
}

/** Lets one text have several values, with commas or line ends between. */
export function several<T>(read: (text: string, previous?: T) => T): (text: string, previous?: T) => T {
  return (text, previous) => readEach(text.split(/[,\n]/), read, previous)
}

/** The same for `NAME=VALUE`, where a value may have commas: what follows one counts as another if it has a name. */
export function severalNamed<T>(read: (text: string, previous?: T) => T): (text: string, previous?: T) => T {
  return (text, previous) => readEach(text.split(/\n|,(?=\s*[\w./-]+=)/), read, previous)
}

function readEach<T>(texts: readonly string[], read: (text: string, previous?: T) => T, previous?: T): T {
  const [first = "", ...more] = texts.map((text) => text.trim()).filter((text) => text !== "")
  return more.reduce((values, text) => read(text, values), read(first, previous))
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535
}
