/**
 * Make any Node.js program a Kubernetes Gateway API TLS-passthrough gateway.
 *
 * @packageDocumentation
 */
export type { GatewaySource } from "./sources/source.ts"
