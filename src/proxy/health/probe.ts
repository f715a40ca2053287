import { connect as connectTcp, isIP, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"

/** What to try. */
export interface Probe {
  /** `tcp`: a connection is enough. `tls`: the handshake must finish as well. */
  readonly kind: "tcp" | "tls"
  /** IP literal. */
  readonly address: string
  /** TCP port. */
  readonly port: number
  /** SNI of the handshake, usually a hostname of the route. */
  readonly serverName?: string | undefined
  /** Milliseconds for all of it. */
  readonly timeout: number
}

/** What came of a probe. */
export type ProbeResult = { readonly healthy: true } | { readonly healthy: false; readonly reason: string }

/**
 * A server that asks for a client certificate is alive: it has answered for the name, and only wants to know
 * who asks.
 */
const ALIVE_ALERTS: ReadonlySet<string> = new Set([
  "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
  "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
  "ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN",
])

/**
 * Tries the endpoint once. Certificates are not verified: the clients do that, end to end, and may trust
 * authorities that the gateway has never heard of. Never rejects.
 */
export function runProbe(probe: Probe): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = tryToOpen(probe)
    if (!("destroy" in socket)) {
      resolve(socket)
      return
    }
    const timer = setTimeout(() => finish({ healthy: false, reason: "timeout" }), probe.timeout)
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer)
      resolve(result)
      // A late error of a socket that is done with must find a listener.
      socket.removeAllListeners().on("error", () => {})
      socket.destroy()
    }
    socket.once(probe.kind === "tls" ? "secureConnect" : "connect", () => finish({ healthy: true }))
    socket.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code ?? error.message
      finish(ALIVE_ALERTS.has(reason) ? { healthy: true } : { healthy: false, reason })
    })
    socket.once("close", () => finish({ healthy: false, reason: "closed" }))
  })
}

/** Not an address, or not a port: the configuration is wrong, which must not end the process. */
function tryToOpen(probe: Probe): Socket | ProbeResult {
  try {
    return openProbe(probe)
  } catch (error) {
    return { healthy: false, reason: (error as NodeJS.ErrnoException).code ?? String(error) }
  }
}

function openProbe({ kind, address, port, serverName }: Probe): Socket {
  if (kind === "tcp") return connectTcp({ host: address, port })
  const servername = serverName !== undefined && isIP(serverName) === 0 ? serverName : ""
  return connectTls({ host: address, port, servername, rejectUnauthorized: false })
}
