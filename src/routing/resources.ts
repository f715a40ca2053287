/**
 * The Kubernetes objects that routing reads, and only the fields it reads. Objects come from files,
 * programs or an API server, so nothing here is trusted: routing validates every field before use.
 */

import type { OneOf } from "../primitives/one-of.ts"
import type { ProblemCode } from "./problem-codes.ts"

export type { OneOf }

/** The part of `metadata` that routing reads. */
export interface ObjectMeta {
  /** Name, unique per kind and namespace. */
  readonly name: string
  /** Namespace; objects written for `kubectl apply -n` may leave it out. */
  readonly namespace?: string
  /** Copied into every condition's `observedGeneration`; absent in files, where 0 stands for it. */
  readonly generation?: number
  /** RFC 3339 time. Older objects win conflicts; an absent time counts as oldest. */
  readonly creationTimestamp?: string
  /** Set while the object is being deleted. */
  readonly deletionTimestamp?: string
  /** Opaque version of the object as the API server stores it. */
  readonly resourceVersion?: string
  /** Identity across deletion and re-creation under one name. */
  readonly uid?: string
  /** Labels; selectors of namespaces and EndpointSlices read them. */
  readonly labels?: Readonly<Record<string, string>>
  /** Annotations; those under `tlsroute.dev/` are policies. */
  readonly annotations?: Readonly<Record<string, string>>
}

/** What every Kubernetes object has. */
export interface KubernetesObject {
  /** Group and version, for example `gateway.networking.k8s.io/v1`. */
  readonly apiVersion?: string
  /** Kind, for example `TLSRoute`. */
  readonly kind?: string
  /** Name, namespace, generation, labels. */
  readonly metadata: ObjectMeta
}

/** One entry of a status' `conditions` list (`metav1.Condition`). */
export interface Condition {
  /** For example `Accepted`. */
  readonly type: string
  /** Whether the condition holds. */
  readonly status: "True" | "False" | "Unknown"
  /** CamelCase word for machines. */
  readonly reason: string
  /** Sentence for people. */
  readonly message: string
  /** `metadata.generation` this condition was computed from. */
  readonly observedGeneration?: number
  /** RFC 3339 time of the last change of `status`. */
  readonly lastTransitionTime: string
}

/** GatewayClass (`gateway.networking.k8s.io/v1`, `v1beta1`). */
export interface GatewayClass extends KubernetesObject {
  /** Desired state. */
  readonly spec: {
    /** Domain-prefixed name of the controller that owns Gateways of this class. */
    readonly controllerName: string
    /** Implementation-specific parameters; none are supported. */
    readonly parametersRef?: {
      readonly group: string
      readonly kind: string
      readonly name: string
      readonly namespace?: string
    }
  }
  /** Status as last written, by anyone. */
  readonly status?: {
    readonly conditions?: readonly Condition[]
    readonly supportedFeatures?: readonly { readonly name: string }[]
  }
}

/** `metav1.LabelSelector`. All requirements must hold; an empty selector matches everything. */
export interface LabelSelector {
  /** Labels that must be present with exactly these values. */
  readonly matchLabels?: Readonly<Record<string, string>>
  /** Requirements with operators. */
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: OneOf<"In" | "NotIn" | "Exists" | "DoesNotExist">
    readonly values?: readonly string[]
  }[]
}

/** A group and kind, as in `allowedRoutes.kinds` and `supportedKinds`. */
export interface RouteGroupKind {
  /** API group; `gateway.networking.k8s.io` when left out. */
  readonly group?: string
  /** Kind, for example `TLSRoute`. */
  readonly kind: string
}

/** `Gateway.spec.listeners[]` and `ListenerSet.spec.listeners[]`. */
export interface Listener {
  /** Unique in its list; what `sectionName` of a parentRef names. */
  readonly name: string
  /** Hostname that the SNI must match; any when left out. */
  readonly hostname?: string
  /** TCP port, 1 to 65535. */
  readonly port: number
  /** `TLS` is served; `HTTP`, `HTTPS`, `TCP`, `UDP` are known and not served. */
  readonly protocol: string
  /** TLS settings; `Passthrough` is the one mode served. */
  readonly tls?: {
    readonly mode?: OneOf<"Terminate" | "Passthrough">
    readonly certificateRefs?: readonly {
      readonly group?: string
      readonly kind?: string
      readonly name: string
      readonly namespace?: string
    }[]
    readonly options?: Readonly<Record<string, string>>
  }
  /** Which routes may attach; same namespace when left out. */
  readonly allowedRoutes?: {
    readonly namespaces?: { readonly from?: OneOf<"All" | "Selector" | "Same">; readonly selector?: LabelSelector }
    readonly kinds?: readonly RouteGroupKind[]
  }
}

/** `status.listeners[]` of Gateway and ListenerSet. */
export interface ListenerStatus {
  /** The listener's name. */
  readonly name: string
  /** Route kinds the listener takes; empty when it takes none. */
  readonly supportedKinds?: readonly RouteGroupKind[]
  /** Number of routes accepted on this listener. */
  readonly attachedRoutes: number
  /** Accepted, Programmed, ResolvedRefs, Conflicted, OverlappingTLSConfig. */
  readonly conditions: readonly Condition[]
}

/** `Gateway.spec.addresses[]` and `Gateway.status.addresses[]`. */
export interface GatewayAddress {
  /** `IPAddress` when left out. */
  readonly type?: string
  /** The address itself; may be left out in spec. */
  readonly value?: string
}

/** Gateway (`gateway.networking.k8s.io/v1`, `v1beta1`). */
export interface Gateway extends KubernetesObject {
  /** Desired state. */
  readonly spec: {
    /** Name of the GatewayClass. */
    readonly gatewayClassName: string
    /** 1 to 64 listeners. */
    readonly listeners: readonly Listener[]
    /** Addresses asked for; every address of the machine when left out. */
    readonly addresses?: readonly GatewayAddress[]
    /** Which ListenerSets may attach; none when left out. */
    readonly allowedListeners?: {
      readonly namespaces?: {
        readonly from?: OneOf<"All" | "Selector" | "Same" | "None">
        readonly selector?: LabelSelector
      }
    }
    /** Infrastructure hints; a parametersRef is refused with InvalidParameters. */
    readonly infrastructure?: {
      readonly labels?: Readonly<Record<string, string>>
      readonly annotations?: Readonly<Record<string, string>>
      readonly parametersRef?: { readonly group: string; readonly kind: string; readonly name: string }
    }
  }
  /** Status as last written, by anyone. */
  readonly status?: {
    readonly addresses?: readonly GatewayAddress[]
    readonly conditions?: readonly Condition[]
    readonly listeners?: readonly ListenerStatus[]
    readonly attachedListenerSets?: number
  }
}

/** ListenerSet (`gateway.networking.k8s.io/v1`). */
export interface ListenerSet extends KubernetesObject {
  /** Desired state. */
  readonly spec: {
    /** The Gateway that these listeners join. */
    readonly parentRef: {
      readonly group?: string
      readonly kind?: string
      readonly name: string
      readonly namespace?: string
    }
    /** 1 to 64 listeners. */
    readonly listeners: readonly Listener[]
  }
  /** Status as last written, by anyone. */
  readonly status?: {
    readonly conditions?: readonly Condition[]
    readonly listeners?: readonly ListenerStatus[]
  }
}

/** `spec.parentRefs[]` of a route. */
export interface ParentReference {
  /** `gateway.networking.k8s.io` when left out. */
  readonly group?: string
  /** `Gateway` when left out. */
  readonly kind?: string
  /** The route's own namespace when left out. */
  readonly namespace?: string
  /** Name of the parent. */
  readonly name: string
  /** Name of one listener of the parent. */
  readonly sectionName?: string
  /** Every listener of the parent on this port. */
  readonly port?: number
}

/** `spec.rules[].backendRefs[]` of a route. */
export interface BackendRef {
  /** Core group (`""`) when left out. */
  readonly group?: string
  /** `Service` when left out. */
  readonly kind?: string
  /** Name of the backend; with external backends allowed, a DNS name. */
  readonly name: string
  /** The route's own namespace when left out. */
  readonly namespace?: string
  /** The Service's port, not the pods'. */
  readonly port?: number
  /** Share of connections, 0 to 1 000 000; 1 when left out, 0 means none. */
  readonly weight?: number
}

/** `status.parents[]` of a route. */
export interface RouteParentStatus {
  /** The parentRef this entry answers. */
  readonly parentRef: ParentReference
  /** Controller that wrote the entry. */
  readonly controllerName: string
  /** Accepted and ResolvedRefs. */
  readonly conditions: readonly Condition[]
}

/** TLSRoute (`gateway.networking.k8s.io/v1`, `v1alpha3`, `v1alpha2`). */
export interface TLSRoute extends KubernetesObject {
  /** Desired state. */
  readonly spec: {
    /** Gateways and ListenerSets to attach to. */
    readonly parentRefs?: readonly ParentReference[]
    /** Names to match with the SNI; may be left out in v1alpha2 only, where it means any. */
    readonly hostnames?: readonly string[]
    /** One rule (v1, v1alpha3) or up to 16 (v1alpha2). */
    readonly rules: readonly { readonly name?: string; readonly backendRefs?: readonly BackendRef[] }[]
  }
  /** Status as last written, by anyone. */
  readonly status?: { readonly parents?: readonly RouteParentStatus[] }
}

/** ReferenceGrant (`gateway.networking.k8s.io/v1`, `v1beta1`); lives in the namespace referred to. */
export interface ReferenceGrant extends KubernetesObject {
  /** Which references are permitted: any `from` to any `to`. */
  readonly spec: {
    readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
    readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[]
  }
}

/** Namespace (`v1`); only its labels are read. */
export type Namespace = KubernetesObject

/** Service (`v1`). */
export interface Service extends KubernetesObject {
  /** Desired state. */
  readonly spec?: {
    readonly type?: string
    readonly clusterIP?: string
    readonly clusterIPs?: readonly string[]
    readonly externalName?: string
    /** `ClientIP` has no effect here; the policy `load-balancing` has. */
    readonly sessionAffinity?: string
    /** `Local` has no effect here. */
    readonly internalTrafficPolicy?: string
    /** `PreferSameZone`, `PreferClose` or `PreferSameNode`: Kubernetes writes hints into EndpointSlices, which are followed. */
    readonly trafficDistribution?: string
    readonly ports?: readonly {
      readonly name?: string
      readonly port: number
      readonly protocol?: string
      readonly targetPort?: number | string
      readonly appProtocol?: string
    }[]
  }
  /** Load balancer addresses, read for the Gateway's own Service. */
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] }
  }
}

/** EndpointSlice (`discovery.k8s.io/v1`); belongs to the Service its `kubernetes.io/service-name` label names. */
export interface EndpointSlice extends KubernetesObject {
  /** `IPv4` or `IPv6`; `FQDN` is not used. */
  readonly addressType?: string
  /** Ports shared by every endpoint, matched to the Service's port by name. */
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[]
  /** Endpoints with readiness. */
  readonly endpoints?: readonly {
    readonly addresses: readonly string[]
    readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean }
    readonly nodeName?: string
    readonly zone?: string
    readonly hints?: {
      readonly forZones?: readonly { readonly name: string }[]
      readonly forNodes?: readonly { readonly name: string }[]
    }
  }[]
}

/**
 * One whole snapshot of configuration. A source yields a new snapshot on every change and keeps the
 * identity of objects that did not change, so that routing rebuilds only what did.
 */
export interface GatewayResources {
  /** Classes; when there are none at all, every Gateway is ours. */
  readonly gatewayClasses?: readonly GatewayClass[]
  /** Gateways. */
  readonly gateways?: readonly Gateway[]
  /** Listener sets. */
  readonly listenerSets?: readonly ListenerSet[]
  /** Routes, in any mix of versions. */
  readonly tlsRoutes?: readonly TLSRoute[]
  /** Permissions for references across namespaces. */
  readonly referenceGrants?: readonly ReferenceGrant[]
  /** Namespaces, for selectors by label. */
  readonly namespaces?: readonly Namespace[]
  /** Services. */
  readonly services?: readonly Service[]
  /** Endpoints of Services. */
  readonly endpointSlices?: readonly EndpointSlice[]
  /** Objects of other kinds, for backend resolvers that an embedding program registers. */
  readonly others?: readonly KubernetesObject[]
  /**
   * Versions of the Gateway API that its CRDs are of, as their annotation
   * `gateway.networking.k8s.io/bundle-version` tells, for example `v1.6.1`; `""` for a CRD without it. They decide
   * the condition SupportedVersion of GatewayClasses, which is left out when this is.
   */
  readonly bundleVersions?: readonly string[] | undefined
  /**
   * Whether an API server admitted these objects. What it gives and its schema could not have admitted was written in
   * an older version of the kind: a v1 TLSRoute without hostnames as v1alpha2, where it stands for every name and for
   * connections without one, and one with several rules. Default: false; such an object is an error then.
   */
  readonly admitted?: boolean | undefined
  /** What the source itself could not read; reported along with routing's own findings. */
  readonly problems?: readonly ResourceProblem[]
  /**
   * The newest form of an object of this snapshot, from a source that yields nothing for changes of `status` and of
   * `metadata.resourceVersion` alone: in all else it is the same. Statuses are computed from it. Left out, objects
   * are as they are in the lists.
   */
  readonly latest?: (<T extends KubernetesObject>(object: T) => T) | undefined
}

/** Names one object. */
export interface ObjectRef {
  /** API group; `""` for core kinds. */
  readonly group: string
  /** Kind, for example `TLSRoute`. */
  readonly kind: string
  /** Namespace; `""` for cluster-wide kinds. */
  readonly namespace: string
  /** Name. */
  readonly name: string
}

/** Something wrong, or worth knowing, about one object. The other objects work on. */
export interface ResourceProblem {
  /** `error`: the object or a part of it has no effect. `warning`: it works, perhaps not as meant. */
  readonly severity: "error" | "warning"
  /**
   * Stable, for machines: for example `InvalidValue`, `Required`, `ShadowedHostname`. A source of the program's own may
   * report codes of its own.
   */
  readonly code: ProblemCode | (string & {})
  /** The object at fault; absent when the text could not be read as an object at all. */
  readonly object?: ObjectRef
  /** Field path in the object, for example `spec.listeners[0].tls.mode`; `""` for the whole object. */
  readonly path: string
  /** What is wrong and what to do. */
  readonly message: string
  /**
   * The object whose own fault this follows from, perhaps the same one: where that has an error of its own, this is
   * told already.
   */
  readonly cause?: ObjectRef
  /** Where it was written, when the source knows. Lines and columns count from 1. */
  readonly location?: { readonly file: string; readonly line?: number; readonly column?: number }
}
