// A route table served by a proxy of one's own: what a controller does that brings its own source.
import { TableServer } from "tlsroute"
import { SpliceProxy } from "tlsroute/proxy"
import { createRouteTableBuilder, type GatewayResources, type Statuses } from "tlsroute/routing"

/**
 * Serves snapshots as they come.
 *
 * @param snapshots - whole ones; objects that did not change are the same objects
 * @param publish - takes the statuses of every object
 */
export async function serve(
  snapshots: AsyncIterable<GatewayResources>,
  publish: (statuses: Statuses) => void,
): Promise<void> {
  const server = new TableServer({ mapPort: (port) => port + 10_000, policies: { idleTimeout: "10m" } })
  const proxy = new SpliceProxy({ router: server })
  const builder = createRouteTableBuilder({ controllerName: "example.com/passthrough" })
  // A port that was taken may be bound by now.
  server.on("bindings", () => publish(server.statuses()))
  try {
    for await (const resources of snapshots) {
      await server.apply(proxy, builder.build(resources), resources)
      publish(server.statuses())
    }
  } finally {
    server.stop()
    await proxy.close()
  }
}
