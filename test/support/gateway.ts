import type { PassthroughGateway } from "../../src/gateway/gateway.ts"
import type { PassthroughGatewayOptions } from "../../src/gateway/options.ts"
import { createPassthroughGateway } from "../../src/index.ts"

/** Starts a gateway on ports of the system's choice; `port` is the first one's. */
export async function startGateway(
  options: PassthroughGatewayOptions,
): Promise<{ readonly gateway: PassthroughGateway; readonly port: number }> {
  const gateway = createPassthroughGateway({ address: "127.0.0.1", mapPort: () => 0, ...options })
  await gateway.start()
  return { gateway, port: localPort(gateway) }
}

/** Local port of the binding for a Gateway's port, or of the first one. */
export function localPort(gateway: PassthroughGateway, gatewayPort?: number): number {
  const state = gateway.addresses().find(({ binding }) => gatewayPort === undefined || binding.port === gatewayPort)
  if (state?.bound !== true) throw new Error(`no binding for port ${gatewayPort ?? "any"}`)
  return state.port
}
