import type { GatewayResources } from "../routing/resources.ts"

/**
 * Where configuration comes from: one fixed snapshot, or a function that yields a whole snapshot at the
 * start and after every change until the signal aborts. What it throws is reported, the last snapshot
 * stays in force, and it is called again after a pause.
 */
export type GatewaySource = GatewayResources | ((signal: AbortSignal) => AsyncIterable<GatewayResources>)
