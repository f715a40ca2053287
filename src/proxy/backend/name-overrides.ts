import { isIP } from "node:net"
import { ProxyError } from "../errors.ts"
import type { DialEndpoint } from "../target.ts"

/** Fixed answers to names. */
export class NameOverrides {
  readonly #answers: ReadonlyMap<string, readonly string[]>

  /**
   * @param given - `host` or `host:port` to one or more `address` or `address:port`
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when one is no address
   */
  constructor(given: Readonly<Record<string, string | readonly string[]>>) {
    this.#answers = new Map(
      Object.entries(given).map(([key, value]) => [key.toLowerCase(), typeof value === "string" ? [value] : value]),
    )
    for (const [key, values] of this.#answers) for (const value of values) parseOverride(key, value, 1)
  }

  /** The answer to a name; `undefined` when there is none. */
  find(host: string, port: number): readonly DialEndpoint[] | undefined {
    const values = this.#answers.get(`${host}:${port}`) ?? this.#answers.get(host)
    return values?.map((value) => parseOverride(host, value, port))
  }
}

function parseOverride(host: string, value: string, port: number): DialEndpoint {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(value)
  const plain = isIP(value) === 0 ? /^([^:]+):(\d+)$/.exec(value) : undefined
  const address = bracketed?.[1] ?? plain?.[1] ?? value
  const givenPort = bracketed?.[2] ?? plain?.[2]
  const endpoint = { address, port: givenPort === undefined ? port : Number(givenPort) }
  if (isIP(address) !== 0 && endpoint.port > 0 && endpoint.port < 65_536) return endpoint
  throw new ProxyError(
    "ERR_TLSROUTE_PROXY_USAGE",
    `The override of ${host} must be an IP address with an optional port, not "${value}"`,
  )
}
