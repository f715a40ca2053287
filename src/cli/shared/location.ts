import { setTimeout as sleep } from "node:timers/promises"
import type { ClusterAccess } from "../../kubernetes/cluster-access.ts"
import { describeError, mayPass } from "../../kubernetes/errors.ts"
import { readNodeZone } from "../../kubernetes/node-zone.ts"
import type { GatewayLocation } from "../../routing/options.ts"
import type { GatewayResources } from "../../routing/resources.ts"

/** Flags that say where the controller runs. */
export interface LocationFlags {
  readonly zone?: string
  readonly nodeName?: string
  readonly zoneFromNode?: true
}

type Source = (signal: AbortSignal) => AsyncIterable<GatewayResources>

const RETRY_MS = 5_000

/**
 * Where the controller runs, by its flags and the environment. A zone that its Node has to be asked for is there before
 * the first snapshot of `source`.
 */
export function locate(
  flags: LocationFlags,
  access: ClusterAccess,
  note: (message: string) => void,
): { readonly location: GatewayLocation; readonly after: (source: Source) => Source } {
  // A pod that has no such label gives an empty variable.
  let zone = flags.zone ?? (process.env["NODE_ZONE"] || undefined)
  const nodeName = flags.nodeName ?? (process.env["NODE_NAME"] || undefined)
  const location: GatewayLocation = {
    get zone() {
      return zone
    },
    nodeName,
  }
  if (zone !== undefined || flags.zoneFromNode === undefined) return { location, after: (source) => source }
  if (nodeName === undefined) {
    note("--zone-from-node has no effect without --node-name or $NODE_NAME")
    return { location, after: (source) => source }
  }
  return {
    location,
    after: (source) =>
      async function* (signal) {
        zone = await findZone(nodeName, access, note, signal)
        yield* source(signal)
      },
  }
}

async function findZone(
  nodeName: string,
  kubeConfig: ClusterAccess,
  note: (message: string) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  while (!signal.aborted) {
    try {
      const zone = await readNodeZone({ kubeConfig, nodeName, signal })
      if (zone === undefined) note(`the Node ${nodeName} has no label for its zone: endpoints of every zone are used`)
      return zone
    } catch (error) {
      if (signal.aborted) break
      const isFinal = !mayPass(error)
      note(
        `the zone of the Node ${nodeName} cannot be read${isFinal ? ", so that endpoints of every zone are used" : ""}: ${describeError(error)}`,
      )
      if (isFinal) break
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined)
    }
  }
  return undefined
}
