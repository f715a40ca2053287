import type { PolicyOptions } from "../../../src/gateway/policies/options.ts"
import type { ConnectionRecord } from "../../../src/proxy/connection/record.ts"
import { atEnd } from "../../support/at-end.ts"
import { startGateway } from "../../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../../support/resources.ts"

/** A gateway with one listener, and for each name a route to servers on these local ports. */
export async function serveNames(names: Readonly<Record<string, readonly number[]>>, policies: PolicyOptions = {}) {
  const source = resources(
    { gateways: [gateway([listener("starttls", 5432)])] },
    ...Object.entries(names).map(([name, ports], index) => ({
      ...service(`server-${index}`, ports),
      tlsRoutes: [route(`server-${index}`, [name], [{ name: `server-${index}`, port: 443 }])],
    })),
  )
  const { gateway: served, port } = await startGateway({ source, policies })
  atEnd(() => served.close({ drainTimeout: 0 }))
  /** The next record that tells this, at least; what connections before it were may come late. */
  const closed = (told: Partial<ConnectionRecord>): Promise<ConnectionRecord> =>
    new Promise((resolve) => {
      const look = (record: ConnectionRecord) => {
        if (Object.entries(told).some(([key, value]) => record[key as keyof ConnectionRecord] !== value)) return
        served.off("close", look)
        resolve(record)
      }
      served.on("close", look)
    })
  return { gateway: served, port, closed }
}
