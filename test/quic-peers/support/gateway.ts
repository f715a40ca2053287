import { onTestFinished } from "vitest"
import type { ConnectionRecord, PassthroughGateway } from "../../../src/index.ts"
import { objectSource } from "../../../src/index.ts"
import { startGateway } from "../../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../../support/resources.ts"
import type { Server } from "./peer.ts"

/** A gateway that takes QUIC because an annotation says so, with a route for each server's name. */
export async function quicGateway(servers: readonly Server[]): Promise<{
  readonly gateway: PassthroughGateway
  readonly port: number
  /** Ends what is left and tells of every connection. */
  readonly records: () => Promise<readonly ConnectionRecord[]>
}> {
  const plain = gateway([listener("tls", 443)])
  const annotated = { ...plain, metadata: { ...plain.metadata, annotations: { "tlsroute.dev/quic": "on" } } }
  const { gateway: served, port } = await startGateway({
    source: objectSource(
      resources(
        {
          gateways: [annotated],
          tlsRoutes: servers.map(({ name }, at) => route(`r${at}`, [name], [{ name: `s${at}`, port: 443 }])),
        },
        ...servers.map((each, at) => service(`s${at}`, [each.port])),
      ),
    ),
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
