import type { BackendResolver } from "./backend-resolver.ts"
import type { ObjectRef } from "./resources.ts"

/** `controllerName` when none is given. */
export const DEFAULT_CONTROLLER_NAME = "tlsroute.dev/gateway-controller"

/** Features that this implementation supports, named as in `GatewayClass.status.supportedFeatures`. */
export const DEFAULT_SUPPORTED_FEATURES: readonly string[] = [
  "Gateway",
  "GatewayRouteHostnameIntersectionPrecedence",
  "ReferenceGrant",
  "TLSRoute",
]

/** The topology zone and the node of a cluster that a gateway runs in. */
export interface GatewayLocation {
  /** As the node's label `topology.kubernetes.io/zone` says. */
  readonly zone?: string | undefined
  /** Name of the Node. */
  readonly nodeName?: string | undefined
}

/** How to read a snapshot. */
export interface RouteTableOptions {
  /** GatewayClasses with this `spec.controllerName` are ours. Default: {@link DEFAULT_CONTROLLER_NAME}. */
  readonly controllerName?: string | undefined
  /** Narrows further to Gateways of these classes. Default: every class that is ours. */
  readonly gatewayClassNames?: readonly string[] | undefined
  /** Namespace of objects that name none. Default: `default`. */
  readonly defaultNamespace?: string | undefined
  /**
   * Names that a backendRef without a Service may be dialled by: exact (`httpbin.org`), wildcard
   * (`*.example.com`) or `*`. `localhost`, metadata services and IP addresses must be spelled out.
   * Default: none.
   */
  readonly externalBackends?: readonly string[] | undefined
  /**
   * Whether Services of type ExternalName may be backends; their name must also be allowed by
   * {@link externalBackends}. Default: false, as Gateway API advises (CVE-2021-25740).
   */
  readonly externalNameServices?: boolean | undefined
  /** Resolvers of further backend kinds, by `group/kind`, for example `multicluster.x-k8s.io/ServiceImport`. */
  readonly backendResolvers?: Readonly<Record<string, BackendResolver>> | undefined
  /**
   * IP addresses that a Gateway listens on when its `spec.addresses` names none, for hosts that assign
   * one to each Gateway. Must depend on its argument only. No table is built where it throws, or answers what is no
   * list of IP addresses: `ERR_TLSROUTE_OPTION`. Default: every address.
   */
  readonly gatewayAddresses?: ((gateway: ObjectRef) => readonly string[] | undefined) | undefined
  /**
   * Where this gateway runs, for Services with `trafficDistribution`: their EndpointSlices tell by hints which
   * endpoints each zone or node should use, and where every endpoint has a hint, those meant for this place are
   * used, if there are any. Default: unknown, so that every endpoint is used.
   */
  readonly location?: GatewayLocation | undefined
  /** Written to `GatewayClass.status.supportedFeatures`. Default: {@link DEFAULT_SUPPORTED_FEATURES}. */
  readonly supportedFeatures?: readonly string[] | undefined
}

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly controllerName: string
  readonly gatewayClassNames: ReadonlySet<string> | undefined
  readonly defaultNamespace: string
  readonly externalBackends: readonly string[]
  readonly externalNameServices: boolean
  readonly backendResolvers: ReadonlyMap<string, BackendResolver>
  readonly gatewayAddresses: (gateway: ObjectRef) => readonly string[] | undefined
  readonly location: GatewayLocation
  readonly supportedFeatures: readonly string[]
}

/** Fills in the defaults. */
export function resolveOptions(options: RouteTableOptions = {}): ResolvedOptions {
  return {
    controllerName: options.controllerName ?? DEFAULT_CONTROLLER_NAME,
    gatewayClassNames: options.gatewayClassNames === undefined ? undefined : new Set(options.gatewayClassNames),
    defaultNamespace: options.defaultNamespace ?? "default",
    externalBackends: options.externalBackends ?? [],
    externalNameServices: options.externalNameServices ?? false,
    backendResolvers: new Map(Object.entries(options.backendResolvers ?? {})),
    gatewayAddresses: options.gatewayAddresses ?? (() => undefined),
    location: options.location ?? {},
    supportedFeatures: options.supportedFeatures ?? DEFAULT_SUPPORTED_FEATURES,
  }
}
