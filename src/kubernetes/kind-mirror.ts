import type { KubernetesObject } from "../routing/resources.ts"
import { Reflector, type ReflectorOptions } from "./reflector.ts"
import type { ResourceKind, Scope } from "./resource-kinds.ts"

interface Generation {
  readonly version: string
  readonly reflectors: ReadonlyMap<string, Reflector>
}

const NOTHING: Generation = { version: "", reflectors: new Map() }

/** The options of a reflector that every scope of a kind shares. */
export interface MirrorOptions extends Omit<ReflectorOptions, "version" | "namespace" | "name"> {
  readonly kind: ResourceKind
}

/**
 * One kind over all its scopes. When version or scopes change, the new reflectors list everything before the old
 * ones are let go: in between, the old objects stay in force.
 */
export class KindMirror {
  readonly #options: MirrorOptions
  #serving: Generation = NOTHING
  #coming: Generation | undefined
  #parts: readonly (readonly KubernetesObject[])[] = []
  #values: readonly KubernetesObject[] = []

  constructor(options: MirrorOptions) {
    this.#options = options
  }

  /** The kind. */
  get kind(): ResourceKind {
    return this.#options.kind
  }

  /** Version in use; `""` before the first sync. */
  get version(): string {
    return this.#serving.version
  }

  /** Whether nothing asked for by {@link follow} is still being listed for the first time. */
  get settled(): boolean {
    this.#promote()
    return this.#coming === undefined
  }

  /** Why the copy may be out of date; `undefined` when all is well. */
  get trouble(): string | undefined {
    for (const { reflectors } of [this.#coming ?? NOTHING, this.#serving]) {
      for (const reflector of reflectors.values()) if (reflector.trouble !== undefined) return reflector.trouble
    }
    return undefined
  }

  /** All objects; the same array until one changes. */
  get values(): readonly KubernetesObject[] {
    this.#promote()
    const parts = [...this.#serving.reflectors.values()].map((reflector) => reflector.values)
    if (parts.length !== this.#parts.length || parts.some((part, index) => part !== this.#parts[index])) {
      this.#parts = parts
      const only = parts.length === 1 ? parts[0] : undefined
      this.#values = only ?? parts.flat()
    }
    return this.#values
  }

  /** Mirrors these scopes in this version from now on. Reflectors that run already go on. */
  follow(version: string, scopes: readonly Scope[]): void {
    const current = this.#coming ?? this.#serving
    const keys = new Map(scopes.map((scope) => [`${scope.namespace ?? ""}/${scope.name ?? ""}`, scope]))
    const same = current.version === version && current.reflectors.size === keys.size
    if (same && [...keys.keys()].every((key) => current.reflectors.has(key))) return

    const running = new Map<string, Reflector>()
    for (const generation of [this.#serving, this.#coming ?? NOTHING]) {
      if (generation.version === version)
        for (const [key, reflector] of generation.reflectors) running.set(key, reflector)
    }
    const reflectors = new Map<string, Reflector>()
    for (const [key, scope] of keys) {
      const reflector = running.get(key) ?? this.#begin(version, scope)
      reflectors.set(key, reflector)
    }
    this.#abandon(this.#coming, [reflectors, this.#serving.reflectors])
    this.#coming = { version, reflectors }
    this.#promote()
  }

  /** Stops and forgets all objects. */
  clear(): void {
    this.stop()
    this.#serving = NOTHING
    this.#coming = undefined
  }

  /** Stops; the objects stay. */
  stop(): void {
    this.#abandon(this.#serving, [])
    this.#abandon(this.#coming, [])
  }

  #begin(version: string, scope: Scope): Reflector {
    const reflector = new Reflector({ ...this.#options, version, namespace: scope.namespace, name: scope.name })
    reflector.start()
    return reflector
  }

  #promote(): void {
    const coming = this.#coming
    if (coming === undefined) return
    // Backends that may not be read must not hold up the rest: they resolve to nothing, and that is reported.
    const lenient = this.kind.scope === "referenced"
    for (const { synced, trouble } of coming.reflectors.values()) {
      if (!synced && !(lenient && trouble !== undefined)) return
    }
    this.#abandon(this.#serving, [coming.reflectors])
    this.#serving = coming
    this.#coming = undefined
  }

  #abandon(generation: Generation | undefined, kept: readonly ReadonlyMap<string, Reflector>[]): void {
    for (const [key, reflector] of generation?.reflectors ?? []) {
      if (!kept.some((reflectors) => reflectors.get(key) === reflector)) reflector.stop()
    }
  }
}
