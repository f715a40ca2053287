import { onTestFinished } from "vitest"
import type { ConnectionRecord, PassthroughGateway, PassthroughGatewayOptions } from "../../../src/index.ts"
import { objectSource } from "../../../src/index.ts"
import { freePort } from "../../support/free-port.ts"
import { startGateway } from "../../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../../support/resources.ts"
import type { Server } from "./peer.ts"

/**
 * A gateway that takes QUIC because an annotation says so, with a route for each name. Servers of one name are endpoints
 * of one backend.
 */
export async function quicGateway(
  servers: readonly Server[],
  options: Omit<PassthroughGatewayOptions, "source"> = {},
): Promise<{
  readonly gateway: PassthroughGateway
  readonly port: number
  /** Ends what is left and tells of every connection. */
  readonly records: () => Promise<readonly ConnectionRecord[]>
}> {
  const plain = gateway([listener("tls", 443)])
  const annotated = { ...plain, metadata: { ...plain.metadata, annotations: { "tlsroute.dev/quic": "on" } } }
  const names = [...new Set(servers.map(({ name }) => name))]
  const own = await freePort()
  const { gateway: served, port } = await startGateway({
    mapPort: () => own,
    source: objectSource(
      resources(
        {
          gateways: [annotated],
          tlsRoutes: names.map((name, at) => route(`r${at}`, [name], [{ name: `s${at}`, port: 443 }])),
        },
        ...names.map((name, at) =>
          backend(
            `s${at}`,
            servers.filter((each) => each.name === name),
          ),
        ),
      ),
    ),
    ...options,
  })
  const closed: ConnectionRecord[] = []
  served.on("close", (record) => closed.push(record))
  onTestFinished(() => served.close({ drainTimeout: 0 }))
  return {
    gateway: served,
    port,
    records: async () => {
      await served.close({ drainTimeout: 0 })
      return closed
    },
  }
}

function backend(name: string, servers: readonly Server[]): ReturnType<typeof service> {
  const { services, endpointSlices } = service(
    name,
    servers.map(({ port }) => port),
  )
  const addressed = endpointSlices.map((slice, at) => ({
    ...slice,
    endpoints: [{ addresses: [servers[at]?.address ?? "127.0.0.1"], conditions: { ready: true } }],
  }))
  return { services, endpointSlices: addressed }
}
