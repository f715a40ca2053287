/**
 * What tells a connection from those of all proxies.
 *
 * @param instance - twelve hex digits that tell the proxy
 * @param id - number of the connection in it
 */
export function uniqueId(instance: string, id: number): string {
  // Of one width, so that a header that a receiver takes today is not longer than it takes after some uptime.
  return `${instance}-${id.toString(16).padStart(12, "0")}`
}
