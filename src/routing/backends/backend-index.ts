import type { AdmittedEndpointSlice, AdmittedService } from "../admit/backend.ts"
import type { KubernetesObject } from "../resources.ts"

/** The snapshot's backends as resolution reads them. */
export interface BackendIndex {
  service(key: string): AdmittedService | undefined
  /** EndpointSlices of a Service, by the Service's `namespace/name`. */
  slices(serviceKey: string): Iterable<AdmittedEndpointSlice>
  other(key: string): KubernetesObject | undefined
}
