import { connect as connectTcp, isIP, type Socket } from "node:net"
import { ownHeader } from "../proxy-protocol/outgoing.ts"
import { GuardedPrelude } from "../starttls/guarded.ts"
import type { StarttlsPolicy } from "../starttls/policy.ts"

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
  /**
   * Version of the PROXY protocol header to begin with, for an endpoint that waits for one: LOCAL in version 2, UNKNOWN
   * in version 1. Default: none.
   */
  readonly proxyHeader?: 1 | 2 | undefined
  /** What is spoken before the handshake. Default: nothing. */
  readonly starttls?: StarttlsPolicy | undefined
  /** Milliseconds for all of it. */
  readonly timeout: number
}

/** What came of a probe. */
export type ProbeResult = { readonly healthy: true } | { readonly healthy: false; readonly reason: string }

/** OpenSSL's codes for an alert that the server sent, in any version. */
const ALERT = /_ALERT_/

/**
 * Tries the endpoint once. Certificates are not verified: the clients do that, end to end, and may trust
 * authorities that the gateway has never heard of. Never rejects.
 *
 * A server that has answered for the name and then refuses with an alert is alive: it wants to know who asks, as with
 * mutual TLS before version 1.3.
 */
export function runProbe(probe: Probe): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const tcp = tryToOpen(probe)
    if (!("destroy" in tcp)) {
      resolve(tcp)
      return
    }
    let tls: Socket | undefined
    const timer = setTimeout(() => finish({ healthy: false, reason: "timeout" }), probe.timeout)
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer)
      resolve(result)
      for (const socket of tls === undefined ? [tcp] : [tls, tcp]) {
        // A late error of a socket that is done with must find a listener.
        socket.removeAllListeners().on("error", () => {})
        socket.destroy()
      }
    }
    let hasSpoken = false
    const failed = (error: NodeJS.ErrnoException): void => {
      const reason = error.code ?? error.message
      finish(hasSpoken && ALERT.test(reason) ? { healthy: true } : { healthy: false, reason })
    }
    const closed = (): void => finish({ healthy: false, reason: "closed" })
    tcp.once("error", failed).once("close", closed)
    tcp.once("connect", () => {
      if (probe.proxyHeader !== undefined) tcp.write(ownHeader(probe.proxyHeader))
      if (probe.kind === "tcp") {
        finish({ healthy: true })
        return
      }
      if (probe.starttls === undefined) handshake()
      else speak(tcp, probe.starttls, probe.serverName, handshake, (reason) => finish({ healthy: false, reason }))
    })
    const handshake = (): void => {
      tls = secure(tcp, probe.serverName)
      // Keys are agreed on: the server has answered, and whatever it objects to now is the client.
      tls.once("keylog", () => {
        hasSpoken = true
      })
      tls.once("secureConnect", () => finish({ healthy: true }))
      tls.once("error", failed).once("close", closed)
    }
  })
}

/** Not an address, or not a port: the configuration is wrong, which must not end the process. */
function tryToOpen({ address, port }: Probe): Socket | ProbeResult {
  try {
    return connectTcp({ host: address, port })
  } catch (error) {
    return { healthy: false, reason: (error as NodeJS.ErrnoException).code ?? String(error) }
  }
}

/** Speaks what comes before TLS, then calls one of the two. */
function speak(
  socket: Socket,
  { protocol, greetingName }: StarttlsPolicy,
  serverName: string | undefined,
  ready: () => void,
  refused: (reason: string) => void,
): void {
  const prelude = new GuardedPrelude(
    () => protocol.toBackend({ greetingName, serverName }),
    () => {},
  )
  if (prelude.isBroken) {
    refused("STARTTLS_FAULT")
    return
  }
  if (prelude.opening !== undefined) socket.write(prelude.opening)
  const read = (chunk: Buffer): void => {
    const step = prelude.push(chunk)
    if (step.send !== undefined) socket.write(step.send)
    if (step.status === "more") return
    socket.off("data", read)
    if (step.status === "tls") ready()
    else refused(step.code)
  }
  socket.on("data", read)
}

function secure(socket: Socket, serverName: string | undefined): Socket {
  const servername = serverName !== undefined && isIP(serverName) === 0 ? serverName : ""
  // An import would have every gateway load it, 4 MB of memory, for those whose health checks make handshakes.
  return process.getBuiltinModule("node:tls").connect({ socket, servername, rejectUnauthorized: false })
}
