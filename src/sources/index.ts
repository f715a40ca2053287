export type { GatewaySource } from "./source.ts"
