import { isIPv4 } from "node:net"
import { formatIp, parseIp, unmapped, withoutZone } from "../../primitives/ip-address.ts"

/**
 * What limits count one client by: its IPv4 address, or its IPv6 /64, since a single host is commonly given a
 * whole /64 and can take a new address of it for every connection.
 */
export function clientKey(address: string): string {
  if (isIPv4(address)) return address
  const bytes = parseIp(withoutZone(address))
  if (bytes === undefined) return address
  if (unmapped(bytes).length === 4) return formatIp(bytes)
  const network = new Uint8Array(16)
  network.set(bytes.subarray(0, 8))
  return `${formatIp(network)}/64`
}
