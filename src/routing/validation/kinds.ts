import type { Channel } from "./channel.ts"
import { endpointSlice, namespace, service } from "./core.ts"
import { GATEWAY_GROUP } from "./fields.ts"
import { gatewaySpec } from "./gateway.ts"
import { gatewayClassSpec } from "./gateway-class.ts"
import { listenerSetSpec } from "./listener-set.ts"
import { metadata } from "./metadata.ts"
import { referenceGrantSpec } from "./reference-grant.ts"
import { anything, type Field, optional, record, required, type Shape } from "./shape.ts"
import { gatewayClassStatus, gatewayStatus, listenerSetStatus, routeStatus } from "./status.ts"
import { alphaTLSRouteSpec, beforeMigratingRoute, experimentalTLSRouteSpec, tlsRouteSpec } from "./tls-route.ts"

/** One version of a kind. */
export interface KindVersion {
  /** Shape of the whole object, in each channel that serves the version. */
  readonly shapes: { readonly [channel in Channel]?: Shape }
  /** What to write instead, for versions that are on their way out. */
  readonly deprecatedFor?: string
  /** What of an object the version written instead does not take: told with the advice to write it. */
  readonly beforeMigrating?: (object: Readonly<Record<string, unknown>>) => string | undefined
}

/** One kind of object. */
export interface KindRules {
  /** API group; `""` for core kinds. */
  readonly group: string
  /** False for kinds whose objects are the cluster's. */
  readonly namespaced: boolean
  /** Version that stands for none given; one of the versions below. */
  readonly preferred: KindVersion
  /** Versions by `apiVersion`. */
  readonly versions: ReadonlyMap<string, KindVersion>
}

/** A whole object of the Gateway API. */
function whole(spec: Shape, status?: Field): Shape {
  return record({
    apiVersion: optional(anything),
    kind: optional(anything),
    metadata: required(metadata),
    spec: required(spec),
    ...(status && { status }),
  })
}

const everywhere = (shape: Shape): KindVersion => ({ shapes: { experimental: shape, standard: shape } })

function kind(
  group: string,
  namespaced: boolean,
  preferred: KindVersion,
  others: Readonly<Record<string, KindVersion>> = {},
): KindRules {
  const prefix = group === "" ? "" : `${group}/`
  const versions = Object.entries({ v1: preferred, ...others })
  return { group, namespaced, preferred, versions: new Map(versions.map(([id, version]) => [prefix + id, version])) }
}

const gatewayClassV1 = everywhere(whole(gatewayClassSpec, gatewayClassStatus))
const gatewayV1: KindVersion = {
  shapes: {
    experimental: whole(gatewaySpec("experimental"), gatewayStatus("experimental")),
    standard: whole(gatewaySpec("standard"), gatewayStatus("standard")),
  },
}
const PREFERRED = `${GATEWAY_GROUP}/v1`
const experimentalTLSRoute = whole(experimentalTLSRouteSpec, routeStatus)
const tlsRouteV1: KindVersion = {
  shapes: { experimental: experimentalTLSRoute, standard: whole(tlsRouteSpec, routeStatus) },
}
const referenceGrantV1 = everywhere(whole(referenceGrantSpec))

const rules = {
  GatewayClass: kind(GATEWAY_GROUP, false, gatewayClassV1, { v1beta1: gatewayClassV1 }),
  Gateway: kind(GATEWAY_GROUP, true, gatewayV1, { v1beta1: gatewayV1 }),
  ListenerSet: kind(GATEWAY_GROUP, true, {
    shapes: {
      experimental: whole(listenerSetSpec("experimental"), listenerSetStatus),
      standard: whole(listenerSetSpec("standard"), listenerSetStatus),
    },
  }),
  TLSRoute: kind(GATEWAY_GROUP, true, tlsRouteV1, {
    v1alpha3: { shapes: { experimental: experimentalTLSRoute }, deprecatedFor: PREFERRED },
    v1alpha2: {
      shapes: { experimental: whole(alphaTLSRouteSpec, routeStatus) },
      deprecatedFor: PREFERRED,
      beforeMigrating: beforeMigratingRoute,
    },
  }),
  ReferenceGrant: kind(GATEWAY_GROUP, true, referenceGrantV1, { v1beta1: referenceGrantV1 }),
  Service: kind("", true, everywhere(service)),
  EndpointSlice: kind("discovery.k8s.io", true, everywhere(endpointSlice)),
  Namespace: kind("", false, everywhere(namespace)),
}

/** A kind that can be validated. */
export type ValidatedKind = keyof typeof rules

/** Every kind that can be validated, by name. */
export const KINDS: ReadonlyMap<string, KindRules> = new Map(Object.entries(rules))
