import type { GatewayResources } from "../../src/routing/resources.ts"

/** The text of a TLSRoute. */
export function tlsRoute(name: string, hostname = `${name}.example.com`): string {
  return [
    "apiVersion: gateway.networking.k8s.io/v1",
    "kind: TLSRoute",
    "metadata:",
    `  name: ${name}`,
    "  namespace: shop",
    "spec:",
    "  hostnames:",
    `    - ${hostname}`,
    "  rules:",
    "    - backendRefs:",
    "        - name: web",
    "          port: 443",
    "",
  ].join("\n")
}

/** Names of the routes of a snapshot, in order. */
export function routeNames(resources: GatewayResources | undefined): string[] {
  return (resources?.tlsRoutes ?? []).map(({ metadata }) => metadata.name)
}

/** First hostname of each route. */
export function hostnames(resources: GatewayResources | undefined): (string | undefined)[] {
  return (resources?.tlsRoutes ?? []).map(({ spec }) => spec.hostnames?.[0])
}
