import type { Socket } from "node:net"
import type { SentProxyHeader } from "../policy.ts"
import type { ProxyAddress } from "../proxy-protocol/header.ts"
import { outgoingHeader } from "../proxy-protocol/outgoing.ts"
import type { ConnectionInfo } from "./record.ts"

/**
 * The PROXY protocol header that tells a backend about a connection.
 *
 * @param header - what it is to tell
 * @param connection - whose backend is told
 * @param client - its client's socket
 * @param told - what the client connected to, as a header of its own told
 */
export function sentHeader(
  header: SentProxyHeader,
  connection: ConnectionInfo,
  client: Socket,
  told: ProxyAddress | undefined,
): Uint8Array {
  const { clientAddress, clientPort, serverName, uniqueId, hello } = connection
  const { localAddress, localPort } = client
  const seen =
    localAddress === undefined || localPort === undefined ? undefined : { address: localAddress, port: localPort }
  const destination = told ?? seen
  const source = { address: clientAddress, port: clientPort }
  const addresses = destination === undefined ? undefined : { source, destination }
  return outgoingHeader(header, { addresses, serverName, alpnProtocol: hello?.firstAlpnProtocols(256)[0], uniqueId })
}
