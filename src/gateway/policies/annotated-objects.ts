import { arrayOf, field } from "../../primitives/json.ts"
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
  readonly #defaultNamespace: string
  readonly #known = new WeakMap<KubernetesObject, AnnotatedObject | "plain">()

  /** @param defaultNamespace - namespace of objects that name none, as routing has it */
  constructor(defaultNamespace = "default") {
    this.#defaultNamespace = defaultNamespace
  }

  /** Looks through a snapshot. */
  scan(resources: GatewayResources): readonly AnnotatedObject[] {
    return [
      ...this.#ofKind("Gateway", GATEWAY_GROUP, field(resources, "gateways")),
      ...this.#ofKind("ListenerSet", GATEWAY_GROUP, field(resources, "listenerSets")),
      ...this.#ofKind("TLSRoute", GATEWAY_GROUP, field(resources, "tlsRoutes")),
      ...this.#ofKind("Service", "", field(resources, "services")),
    ]
  }

  // Objects may come from anywhere, and routing reports those that are none.
  *#ofKind(kind: string, group: string, objects: unknown): Iterable<AnnotatedObject> {
    for (const object of arrayOf(objects) ?? []) {
      if (!isAnnotated(object)) continue
      let found = this.#known.get(object)
      if (found === undefined) {
        found = annotated(kind, group, object, this.#defaultNamespace) ?? "plain"
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
