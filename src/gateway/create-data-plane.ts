import { randomBytes } from "node:crypto"
import { availableParallelism } from "node:os"
import type { RouteTable } from "../routing/route-table.ts"
import { type DataPlane, type DataPlaneOptions, LocalDataPlane, type PlaneOptions } from "./data-plane.ts"
import { GatewayError } from "./errors.ts"
import type { WorkerDeath } from "./events.ts"
import type { PassthroughGatewayOptions } from "./options.ts"
import type { Policies } from "./policies/policies.ts"
import { workerHost } from "./workers/host.ts"
import { WorkerDataPlane } from "./workers/worker-data-plane.ts"

/** Makes the data plane that the options ask for: in this thread, or in workers. */
export function createDataPlane(
  table: RouteTable,
  policies: Policies,
  options: PassthroughGatewayOptions,
  onDeath: (death: WorkerDeath) => void,
): DataPlane {
  const { workers = 1 } = options
  const count = workers === "auto" ? availableParallelism() : Number(workers)
  const { refusal, describeHello, names, policies: policyOptions, limits, resolve } = options
  const family = randomBytes(4).toString("hex")
  const dataPlane: PlaneOptions = { refusal, describeHello, names, policies: policyOptions, limits, resolve, family }
  if (count === 1) return new LocalDataPlane(table, policies, dataPlane)
  assertPlain(dataPlane)
  return new WorkerDataPlane(workerHost(), count, table, policies, dataPlane, onDeath)
}

function assertPlain(options: DataPlaneOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (name !== "names" && isCloneable(value)) continue
    if (value === undefined) continue
    const message = `the option "${name}" cannot be sent to workers; leave it out or set workers to 1`
    throw new GatewayError("ERR_TLSROUTE_OPTION", message)
  }
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}
