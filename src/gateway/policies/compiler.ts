import type { RouteMatcher } from "../../routing/route-table.ts"
import type { AnnotatedObject } from "./annotated-objects.ts"
import { type AnnotatedPolicies, readAnnotations } from "./annotations.ts"
import { type PolicyOptions, type ReadPolicyOptions, readPolicyOptions } from "./options.ts"
import { type Policies, SnapshotPolicies } from "./policies.ts"

/** Makes {@link Policies} of each snapshot; objects that did not change are not read again. */
export class PolicyCompiler {
  readonly #options: ReadPolicyOptions
  readonly #read = new WeakMap<AnnotatedObject, AnnotatedPolicies>()

  /**
   * @param options - the `policies` option
   * @throws PolicyError naming the setting that cannot be used
   */
  constructor(options?: PolicyOptions) {
    this.#options = readPolicyOptions(options)
  }

  /**
   * Reads the annotations of a snapshot for the sockets of its table. Bad ones become problems; never throws.
   *
   * @param objects - objects with annotations, as an {@link AnnotationScan} finds them
   * @param table - whose sockets they are for
   */
  compile(objects: readonly AnnotatedObject[], table: Pick<RouteMatcher, "listeners" | "routes">): Policies {
    const counted = this.#options.annotations === "apply" ? objects : []
    const byObject = new Map<string, AnnotatedPolicies>()
    for (const object of counted) {
      const { kind, namespace, name } = object.ref
      byObject.set(`${kind}/${namespace}/${name}`, this.#policiesOf(object))
    }
    return new SnapshotPolicies(this.#options, { objects: counted, byObject }, table)
  }

  #policiesOf(object: AnnotatedObject): AnnotatedPolicies {
    let read = this.#read.get(object)
    if (read === undefined) {
      read = readAnnotations(object.ref, object.annotations, object.listeners)
      this.#read.set(object, read)
    }
    return read
  }
}
