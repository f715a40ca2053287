import { oncePerPart, type Parts, partsOf, unshared } from "../../primitives/parts.ts"
import type { ResourceProblem } from "../resources.ts"
import type { ValidatedKind } from "../validation/kinds.ts"
import type { Admission, Admitted } from "./admission.ts"
import { objectProblems } from "./object-problems.ts"

/** What became of one key between two snapshots. */
export interface ObjectChange<A> {
  readonly key: string
  readonly before: A | undefined
  readonly after: A | undefined
}

/**
 * The objects of one kind by key. An update costs work only for objects whose identity changed; objects
 * are never changed in place.
 */
export class ObjectIndex<T, A extends Admitted<unknown>> {
  readonly #admit: (object: T, defaultNamespace: string) => Admission<A>
  readonly #kind: ValidatedKind | undefined
  readonly #defaultNamespace: string
  readonly #problems = new WeakMap<object, readonly ResourceProblem[]>()
  readonly #problemsOfPart = oncePerPart((part: readonly T[]) => part.flatMap((object) => this.#problemsOf(object)))
  /** Of the objects of this snapshot. */
  #admissions = new Map<T, Admission<A>>()
  readonly #byKey = new Map<string, A>()
  #objects: Parts<T> = []
  /** Whether two objects share a key, so that their order counts. */
  #clashes = false
  #report: (() => readonly ResourceProblem[]) | undefined

  /** `kind` names the schema that objects are checked against when their problems are asked for. */
  constructor(
    admit: (object: T, defaultNamespace: string) => Admission<A>,
    defaultNamespace: string,
    kind: ValidatedKind | undefined,
  ) {
    this.#admit = admit
    this.#kind = kind
    this.#defaultNamespace = defaultNamespace
  }

  /** Number of objects given, usable or not. */
  get length(): number {
    return this.#objects.reduce((length, part) => length + part.length, 0)
  }

  get(key: string): A | undefined {
    return this.#byKey.get(key)
  }

  values(): IterableIterator<A> {
    return this.#byKey.values()
  }

  /** A copy by key, which later updates do not change. */
  byKey(): ReadonlyMap<string, A> {
    return new Map(this.#byKey)
  }

  /** Takes the objects of a new snapshot and tells what changed, by key. */
  update(objects: unknown): readonly ObjectChange<A>[] {
    const next = partsOf<T>(Array.isArray(objects) ? objects : [], this.#objects)
    const changed = difference(this.#objects, next)
    if (changed === undefined) return []
    this.#objects = next
    this.#report = undefined
    if (this.#clashes) return this.#reindex()
    return (changed.removed.length === 0 ? this.#add(changed.added) : this.#apply(changed)) ?? this.#reindex()
  }

  /** Problems of every object in this snapshot; may be called after later updates. */
  problems(): () => readonly ResourceProblem[] {
    if (this.#report === undefined) {
      const objects = this.#objects
      const clashes = this.#clashes
      let problems: readonly ResourceProblem[] | undefined
      this.#report = () => {
        problems ??= this.#collectProblems(objects, clashes)
        return problems
      }
    }
    return this.#report
  }

  #collectProblems(objects: Parts<T>, clashes: boolean): readonly ResourceProblem[] {
    const problems = objects.flatMap(this.#problemsOfPart)
    if (!clashes) return problems
    const seen = new Set<string>()
    for (const object of objects.flat()) {
      const { admitted } = this.#admission(object)
      if (admitted === undefined) continue
      if (seen.has(admitted.key)) problems.push(duplicate(admitted))
      else seen.add(admitted.key)
    }
    return problems
  }

  /** Adds objects, as the first snapshot does; `undefined` when two share a key, so that order must be asked. */
  #add(added: readonly T[]): readonly ObjectChange<A>[] | undefined {
    const changes: ObjectChange<A>[] = []
    for (const object of added) {
      const admission = this.#admission(object)
      this.#admissions.set(object, admission)
      const { admitted } = admission
      if (admitted === undefined) continue
      const { key } = admitted
      if (this.#byKey.has(key)) {
        for (const change of changes) this.#byKey.delete(change.key)
        return undefined
      }
      this.#byKey.set(key, admitted)
      changes.push({ key, before: undefined, after: admitted })
    }
    return changes
  }

  /** Applies a small difference; `undefined` when two objects share a key, so that order must be asked. */
  #apply({ removed, added }: Difference<T>): readonly ObjectChange<A>[] | undefined {
    const changes = new Map<string, { key: string; before: A | undefined; after: A | undefined }>()
    for (const object of removed) {
      const { admitted } = this.#admission(object)
      if (admitted !== undefined) changes.set(admitted.key, { key: admitted.key, before: admitted, after: undefined })
    }
    for (const object of added) {
      const admission = this.#admission(object)
      this.#admissions.set(object, admission)
      const { admitted } = admission
      if (admitted === undefined) continue
      const change = changes.get(admitted.key)
      if (change === undefined ? this.#byKey.has(admitted.key) : change.after !== undefined) return undefined
      changes.set(admitted.key, { key: admitted.key, before: change?.before, after: admitted })
    }
    // Had an object been in both lists, it would have clashed with itself above.
    for (const object of removed) this.#admissions.delete(object)
    for (const { key, after } of changes.values()) {
      if (after === undefined) this.#byKey.delete(key)
      else this.#byKey.set(key, after)
    }
    return [...changes.values()]
  }

  /** Indexes everything anew: of objects that share a key the first stays. */
  #reindex(): readonly ObjectChange<A>[] {
    const before = new Map(this.#byKey)
    this.#byKey.clear()
    this.#clashes = false
    const admissions = new Map<T, Admission<A>>()
    for (const object of this.#objects.flat()) {
      const admission = admissions.get(object) ?? this.#admission(object)
      admissions.set(object, admission)
      const { admitted } = admission
      if (admitted === undefined) continue
      if (this.#byKey.has(admitted.key)) this.#clashes = true
      else this.#byKey.set(admitted.key, admitted)
    }
    this.#admissions = admissions
    const changes: ObjectChange<A>[] = []
    for (const key of new Set([...before.keys(), ...this.#byKey.keys()])) {
      const change = { key, before: before.get(key), after: this.#byKey.get(key) }
      if (change.before !== change.after) changes.push(change)
    }
    return changes
  }

  #problemsOf(object: T): readonly ResourceProblem[] {
    const cached = isObject(object) ? this.#problems.get(object) : undefined
    if (cached !== undefined) return cached
    const admission = this.#admission(object)
    const own = "problems" in admission ? admission.problems : admission.admitted.problems
    const found = this.#kind === undefined ? own : objectProblems(object, this.#kind, admission.admitted, own)
    if (isObject(object)) this.#problems.set(object, found)
    return found
  }

  #admission(object: T): Admission<A> {
    return this.#admissions.get(object) ?? this.#admit(object, this.#defaultNamespace)
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null
}

function duplicate(admitted: Admitted<unknown>): ResourceProblem {
  return {
    severity: "error",
    code: "Duplicate",
    object: admitted.ref,
    path: "metadata.name",
    message: `${admitted.ref.kind} ${admitted.key} is there more than once; the first is used`,
  }
}

/** Objects of one list only, by identity; none where the order alone changed. */
interface Difference<T> {
  readonly removed: readonly T[]
  readonly added: readonly T[]
}

/** How two lists differ; `undefined` when they do not. Those that differ in a few places cost one pass of comparisons. */
function difference<T>(before: Parts<T>, after: Parts<T>): Difference<T> | undefined {
  if (before.length === after.length && before.every((part, at) => part === after[at])) return undefined
  const { before: old, after: fresh } = unshared(before, after)
  if (old.length === 0 || fresh.length === 0) return { removed: old, added: fresh }
  const inOld = new Set(old)
  const inFresh = new Set(fresh)
  // Sets forget repetition; a list that repeats an object is told apart by its length.
  if (inOld.size !== old.length || inFresh.size !== fresh.length) return { removed: old, added: fresh }
  return { removed: old.filter((object) => !inFresh.has(object)), added: fresh.filter((object) => !inOld.has(object)) }
}
