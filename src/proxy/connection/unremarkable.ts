import type { ConnectionOutcome } from "./record.ts"

/** How connections end that nothing is wrong with, or that their client alone has ended. */
export const UNREMARKABLE: ReadonlySet<ConnectionOutcome> = new Set<ConnectionOutcome>([
  "client-gone",
  "probe",
  "completed",
  "client-reset",
  "idle-timeout",
  "half-closed-timeout",
  "max-duration",
  "drained",
  "route-removed",
  "endpoint-removed",
])
