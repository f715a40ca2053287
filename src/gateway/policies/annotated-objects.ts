import { arrayOf, field } from "../../primitives/json.ts"
import { oncePerPart, type Parts, partsOf } from "../../primitives/parts.ts"
import type { GatewayResources, KubernetesObject, ObjectRef } from "../../routing/resources.ts"
import { ANNOTATION_DOMAIN } from "./fields.ts"

const GATEWAY_GROUP = "gateway.networking.k8s.io"
const PREFIX = `${ANNOTATION_DOMAIN}/`

/** What an object of a snapshot says about policies, as plain data. */
export interface AnnotatedObject {
  /** The object. */
  readonly ref: ObjectRef
  /** Its annotations under `tlsroute.dev/`; values may be of any type, as the object may come from anywhere. */
  readonly annotations: Readonly<Record<string, unknown>>
  /** Names of its listeners, for a Gateway or ListenerSet. */
  readonly listeners: readonly string[]
}

/** Finds the objects of snapshots that say something about policies; those that did not change stay the same. */
export class AnnotationScan {
  readonly #kinds: readonly KindScan[]

  /** @param defaultNamespace - namespace of objects that name none, as routing has it */
  constructor(defaultNamespace = "default") {
    this.#kinds = [
      new KindScan("gateways", "Gateway", GATEWAY_GROUP, defaultNamespace),
      new KindScan("listenerSets", "ListenerSet", GATEWAY_GROUP, defaultNamespace),
      new KindScan("tlsRoutes", "TLSRoute", GATEWAY_GROUP, defaultNamespace),
      new KindScan("services", "Service", "", defaultNamespace),
    ]
  }

  /** Looks through a snapshot, at what was not in the last one. */
  scan(resources: GatewayResources): readonly AnnotatedObject[] {
    return this.#kinds.flatMap((kind) => kind.scan(resources))
  }
}

class KindScan {
  readonly #list: keyof GatewayResources
  readonly #known = new WeakMap<KubernetesObject, AnnotatedObject | "plain">()
  readonly #ofPart: (part: readonly unknown[]) => readonly AnnotatedObject[]
  #objects: Parts<unknown> = []

  constructor(list: keyof GatewayResources, kind: string, group: string, defaultNamespace: string) {
    this.#list = list
    this.#ofPart = oncePerPart((part) => [...this.#find(part, kind, group, defaultNamespace)])
  }

  scan(resources: GatewayResources): readonly AnnotatedObject[] {
    this.#objects = partsOf(arrayOf(field(resources, this.#list)) ?? [], this.#objects)
    return this.#objects.flatMap(this.#ofPart)
  }

  // Objects may come from anywhere, and routing reports those that are none.
  *#find(objects: readonly unknown[], kind: string, group: string, namespace: string): Iterable<AnnotatedObject> {
    for (const object of objects) {
      if (!isAnnotated(object)) continue
      let found = this.#known.get(object)
      if (found === undefined) {
        found = annotated(kind, group, object, namespace) ?? "plain"
        this.#known.set(object, found)
      }
      if (found !== "plain") yield found
    }
  }
}

function isAnnotated(object: unknown): object is KubernetesObject {
  return typeof object === "object" && typeof field(field(object, "metadata"), "annotations") === "object"
}

function annotated(
  kind: string,
  group: string,
  object: KubernetesObject,
  defaultNamespace: string,
): AnnotatedObject | undefined {
  const { name, namespace = defaultNamespace, annotations } = object.metadata
  if (typeof annotations !== "object" || annotations === null) return undefined
  const ours = Object.entries(annotations).filter(([key]) => key.startsWith(PREFIX))
  if (ours.length === 0) return undefined
  return {
    ref: { group, kind, namespace, name },
    annotations: Object.fromEntries(ours),
    listeners: listenerNames(object),
  }
}

/** Names of `spec.listeners`, of an object that may not have passed validation. */
function listenerNames(object: KubernetesObject): readonly string[] {
  const { spec } = object as { readonly spec?: { readonly listeners?: unknown } | null }
  if (!Array.isArray(spec?.listeners)) return []
  return spec.listeners.flatMap((listener: { readonly name?: unknown } | null) =>
    typeof listener?.name === "string" ? [listener.name] : [],
  )
}
